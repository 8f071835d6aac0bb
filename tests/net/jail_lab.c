// SPDX-License-Identifier: Apache-2.0
#include "tests/net/jail_lab.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/base/file.h"

#define READY_MS 20000

const char *const virtiofsds[] = { "/usr/lib/qemu/virtiofsd", "/usr/libexec/virtiofsd", "/usr/bin/virtiofsd", NULL };

void must(int r, const struct error *err)
{
	if (r < 0)
		fail_msg("%s", err->message);
}

bool is_installed(const char *program)
{
	return access(program, X_OK) == 0;
}

void clear_cgroup(const char *path)
{
	_cleanup_(cgroup_freep) struct cgroup *cgroup = NULL;
	struct error err;

	must(cgroup_open(path, false, &cgroup, &err), &err);
	must(cgroup_clear(cgroup, 5000, &err), &err);
}

int lab_setup(void **state)
{
	struct lab *lab = calloc(1, sizeof(*lab));
	struct error err;

	assert_non_null(lab);
	snprintf(lab->state, sizeof(lab->state), "/tmp/holdfast-jail.XXXXXX");
	assert_non_null(mkdtemp(lab->state));
	snprintf(lab->pod, sizeof(lab->pod), "%s/pod1", lab->state);
	snprintf(lab->output, sizeof(lab->output), "%s/output", lab->pod);
	must(ids_take(lab->state, "pod1", FIRST_ID, 2000, &lab->ids, &err), &err);
	must(ids_user_namespace(&lab->ids, &lab->user_namespace, &err), &err);
	snprintf(lab->cgroup_parent, sizeof(lab->cgroup_parent), "/holdfast-jail-%d", getpid());
	snprintf(lab->cgroup_path, sizeof(lab->cgroup_path), "%s/pod1", lab->cgroup_parent);
	must(cgroup_open(lab->cgroup_path, true, &lab->cgroup, &err), &err);
	lab->output_fd = open(lab->output, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(lab->output_fd >= 0);
	*state = lab;
	return 0;
}

int lab_teardown(void **state)
{
	struct lab *lab = *state;
	char share[128];
	struct error err;

	cgroup_free(lab->cgroup);
	clear_cgroup(lab->cgroup_path);
	clear_cgroup(lab->cgroup_parent);
	close(lab->user_namespace);
	close(lab->output_fd);
	unlink(lab->output);
	snprintf(share, sizeof(share), "%s/share", lab->pod);
	rmdir(share);
	must(ids_release(lab->state, "pod1", &err), &err);
	snprintf(share, sizeof(share), "%s/.virtiofsd", lab->state);
	unlink(share);
	snprintf(share, sizeof(share), "%s/.ids", lab->state);
	assert_int_equal(rmdir(share), 0);
	assert_int_equal(rmdir(lab->state), 0);
	free(lab);
	return 0;
}

/* ── programs ── */

struct jail_process start_virtiofsd(const struct lab *lab, const char *path, int *ret_connection)
{
	const struct virtiofsd virtiofsd = {
		.path = path,
		.directory = lab->pod,
		.user_namespace = lab->user_namespace,
		.cgroup = lab->cgroup,
		.oom_score_adj = 321,
		.output = lab->output_fd,
	};
	struct jail_process process = JAIL_PROCESS_NONE;
	struct error err;

	must(virtiofsd_spawn(&virtiofsd, &process, ret_connection, &err), &err);
	return process;
}

struct jail jail_for(const struct lab *lab, const char *const *arguments)
{
	return (struct jail){
		.arguments = arguments,
		.paths = arguments,
		.n_paths = 1,
		.root = lab->pod,
		.output = lab->output_fd,
		.network_namespace = -1,
		.id = lab->ids.vmm,
		.user_namespace = -1,
		.cgroup = lab->cgroup,
		.oom_score_adj = 321,
	};
}

struct jail_process start(const struct lab *lab, const struct jail *jail)
{
	struct jail_process process = JAIL_PROCESS_NONE;
	struct error err;

	must(jail_spawn(jail, &process, &err), &err);
	return process;
}

struct jail_process start_qemu(const struct lab *lab)
{
	static const char *const arguments[] = { "/usr/bin/qemu-system-x86_64",
						 "-M",
						 "microvm,accel=tcg",
						 "-S",
						 "-nodefaults",
						 "-display",
						 "none",
						 "-sandbox",
						 "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
						 NULL };
	static const char *const paths[] = { "/usr/bin/qemu-system-x86_64", "/usr/share/qemu", "/usr/share/seabios" };
	struct jail jail = jail_for(lab, arguments);

	jail.paths = paths;
	jail.n_paths = 3;
	jail.proc = true;
	return start(lab, &jail);
}

/* ── /proc ── */

void read_proc(pid_t pid, const char *file, struct buf *ret)
{
	char path[128];
	struct error err;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	must(file_read(path, ret, &err), &err);
}

static bool find_status(pid_t pid, const char *key, char ret[static 256])
{
	_cleanup_(buf_free) struct buf status = BUF_MAX(64 * 1024);
	char wanted[64];

	read_proc(pid, "status", &status);
	snprintf(wanted, sizeof(wanted), "\n%s:", key);
	const char *at = strstr(buf_text(&status), wanted);
	if (!at)
		return false;
	at += strlen(wanted);
	at += strspn(at, "\t ");
	size_t n = strcspn(at, "\n");
	while (n > 0 && at[n - 1] == ' ')
		n--;
	snprintf(ret, 256, "%.*s", (int)n, at);
	return true;
}

void assert_status(pid_t pid, const char *key, const char *value)
{
	char found[256];

	assert_true(find_status(pid, key, found));
	if (strcmp(found, value) != 0)
		fail_msg("%s of process %d is \"%s\", not \"%s\"", key, pid, found, value);
}

bool wait_for_status(pid_t pid, const char *key, const char *value)
{
	char found[256] = "";

	for (int i = 0; i < READY_MS / 10; i++) {
		if (find_status(pid, key, found) && strcmp(found, value) == 0)
			return true;
		nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
	}
	return false;
}

bool shares_namespace(pid_t pid, const char *kind)
{
	char own[64], its[64];
	struct stat a, b;

	snprintf(own, sizeof(own), "/proc/self/ns/%s", kind);
	snprintf(its, sizeof(its), "/proc/%d/ns/%s", pid, kind);
	assert_int_equal(stat(own, &a) | stat(its, &b), 0);
	return a.st_ino == b.st_ino;
}

void list_proc(pid_t pid, const char *directory, struct buf *ret)
{
	struct dirent **entries;
	char path[256];

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, directory);
	int n = scandir(path, &entries, NULL, alphasort);
	assert_true(n >= 0);
	for (int i = 0; i < n; i++) {
		if (*entries[i]->d_name != '.')
			buf_printf(ret, "%s%s", ret->n ? " " : "", entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
}

bool has_ended(const struct jail_process *process, int timeout_ms)
{
	return poll(&(struct pollfd){ .fd = process->pidfd, .events = POLLIN }, 1, timeout_ms) == 1;
}

/* ── cgroups ── */

static void unmount_all_cgroups(void)
{
	char line[4096], point[256];
	FILE *mounts = fopen("/proc/self/mounts", "r");

	assert_non_null(mounts);
	while (fgets(line, sizeof(line), mounts))
		if (sscanf(line, "%*s %255s", point) == 1 && strstr(line, " cgroup"))
			assert_int_equal(umount2(point, MNT_DETACH), 0);
	fclose(mounts);
}

int leave_version_2_alone(void **state)
{
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -1;
	unmount_all_cgroups();
	mkdir("/sys/fs/cgroup", 0755);
	return mount("cgroup2", "/sys/fs/cgroup", "cgroup2", 0, NULL);
}
