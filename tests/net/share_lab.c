// SPDX-License-Identifier: Apache-2.0
#include "tests/net/share_lab.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/file.h"

int share_setup(void **state)
{
	struct share_lab *lab = calloc(1, sizeof(*lab));
	const char *path = virtiofsds[0];
	struct error err;

	assert_non_null(lab);
	for (size_t i = 0; virtiofsds[i]; i++)
		path = is_installed(virtiofsds[i]) ? virtiofsds[i] : path;
	lab_setup((void **)&lab->lab);
	lab->virtiofsd = start_virtiofsd(lab->lab, getenv("HOLDFAST_VIRTIOFSD") ?: path, &lab->connection);
	assert_true(wait_for_status(lab->virtiofsd.pid, "CapBnd", "0000000000000000"));
	snprintf(lab->directory, sizeof(lab->directory), "%s/share", lab->lab->pod);
	must(share_new(lab->directory, &lab->lab->ids, lab->lab->user_namespace, lab->virtiofsd.mount_namespace, &lab->share, &err), &err);
	snprintf(lab->host, sizeof(lab->host), "/tmp/holdfast-host.XXXXXX");
	assert_non_null(mkdtemp(lab->host));
	assert_int_equal(chmod(lab->host, 0755), 0);
	*state = lab;
	return 0;
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *at)
{
	return remove(path);
}

int share_teardown(void **state)
{
	struct share_lab *lab = *state;
	_cleanup_(buf_free) struct buf mounts = BUF_MAX(1024 * 1024);
	struct error err;

	close(lab->connection);
	jail_end(&lab->virtiofsd);
	share_free(lab->share);
	must(share_clean_up(lab->directory, &err), &err);
	must(share_clean_up(lab->directory, &err), &err); /* once more */
	read_proc(getpid(), "mountinfo", &mounts);
	assert_null(strstr(buf_text(&mounts), lab->lab->state));
	assert_int_equal(nftw(lab->host, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT), 0);
	lab_teardown((void **)&lab->lab);
	free(lab);
	return 0;
}

static char *next_text(void)
{
	static char texts[4][512];
	static unsigned next;

	return texts[next++ % 4];
}

const char *on_host(const struct share_lab *lab, const char *path)
{
	char *text = next_text();

	snprintf(text, 512, "%s/%s", lab->host, path);
	return text;
}

const char *in_share(const struct share_lab *lab, const char *path)
{
	char *text = next_text();

	snprintf(text, 512, "/proc/%d/root/%s", lab->virtiofsd.pid, path);
	return text;
}

void put_directory(const struct share_lab *lab, const char *path, uid_t owner, mode_t mode)
{
	const char *there = on_host(lab, path);

	assert_int_equal(mkdir(there, mode), 0);
	assert_int_equal(chmod(there, mode) | chown(there, owner, owner), 0);
}

void put_file(const struct share_lab *lab, const char *path, const char *content, uid_t owner, mode_t mode)
{
	const char *there = on_host(lab, path);
	_cleanup_close_ int fd = open(there, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, content, strlen(content)), strlen(content));
	assert_int_equal(fchmod(fd, mode) | fchown(fd, owner, owner), 0);
}

void assert_owner(const char *path, uid_t owner)
{
	struct stat status;

	if (lstat(path, &status) < 0)
		fail_msg("%s: %s", path, strerror(errno));
	if (status.st_uid != owner || status.st_gid != owner)
		fail_msg("%s belongs to %u:%u, not to %u", path, status.st_uid, status.st_gid, owner);
}

void assert_text(const char *path, const char *content)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(64 * 1024);
	struct error err;

	must(file_read(path, &text, &err), &err);
	assert_string_equal(buf_text(&text), content);
}

/* ── as virtiofsd ── */

static int enter_namespaces(const struct share_lab *lab)
{
	if (setns(lab->virtiofsd.mount_namespace, CLONE_NEWNS) < 0 || chroot("/share") < 0 || chdir("/") < 0 ||
	    setns(lab->lab->user_namespace, CLONE_NEWUSER) < 0)
		return errno;
	return 0;
}

static int become_it(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct words[_LINUX_CAPABILITY_U32S_3] = { 0 };

	words[0].effective = words[0].permitted = 0x880000dbu;
	if (syscall(SYS_setgroups, 0, NULL) < 0 || syscall(SYS_setresgid, 0, 0, 0) < 0 || syscall(SYS_setresuid, 0, 0, 0) < 0 ||
	    syscall(SYS_capset, &header, words) < 0)
		return errno;
	umask(0);
	return 0;
}

int as_virtiofsd(const struct share_lab *lab, int (*function)(const char *path), const char *path)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (enter_namespaces(lab) != 0 || become_it() != 0)
			_exit(255);
		_exit(function(path));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) != 255);
	return WEXITSTATUS(status);
}
