// SPDX-License-Identifier: Apache-2.0
#include "tests/net/volumes_support.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/sandbox/sandbox.h"

static pid_t test_process;

void need_mounts(void)
{
	test_process = getpid();
	if (geteuid() == 0 && unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0)
		return;
	printf("1..0 # SKIP\ncannot make a mount namespace (%s): run as root\n", strerror(errno));
	exit(77);
}

static struct volumes *must_open(void)
{
	struct volumes *volumes = NULL;
	struct error err;

	if (volumes_open(DIRECTORY, &volumes, &err) < 0)
		fail_msg("%s", err.message);
	return volumes;
}

int volumes_setup(void **state)
{
	assert_int_equal(mount("test", "/run", "tmpfs", 0, "mode=0755"), 0);
	*state = must_open();
	return 0;
}

int volumes_teardown(void **state)
{
	if (getpid() != test_process)
		_exit(1); /* an assertion failed in a child */
	volumes_close(*state);
	assert_int_equal(umount2("/run", MNT_DETACH), 0);
	return 0;
}

void reopen(void **state)
{
	volumes_close(*state);
	*state = NULL;
	*state = must_open();
}

void must_write(struct volumes *volumes, const struct volume_file *files, size_t n)
{
	struct error err;

	if (volumes_write(volumes, DEVICE, SECRET, files, n, &err) < 0)
		fail_msg("%s", err.message);
}

char *content_of(const char *path)
{
	_cleanup_(buf_free) struct buf content = BUF_MAX(16 * 1024 * 1024);
	struct error err;

	buf_string(&content, "");
	int r = file_read(path, &content, &err);
	if (r == -ENOENT)
		return NULL;
	if (r < 0)
		fail_msg("%s", err.message);
	char *text = content.n ? buf_take_text(&content) : strdup("");
	assert_non_null(text);
	return text;
}

void assert_content(const char *path, const char *content)
{
	_cleanup_free_ char *text = content_of(path);

	if (!text)
		fail_msg("%s is not there", path);
	assert_string_equal(text, content);
}

bool exists(const char *path)
{
	return faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static size_t count(const char *directory, const char *prefix)
{
	DIR *stream = opendir(directory);
	const struct dirent *entry;
	size_t n = 0;

	assert_non_null(stream);
	while ((entry = readdir(stream)))
		n += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
		     strncmp(entry->d_name, prefix, strlen(prefix)) == 0;
	closedir(stream);
	return n;
}

size_t entries_of(const char *directory)
{
	return count(directory, "");
}

size_t versions_of(const char *volume)
{
	return count(volume, "..2");
}

void drop_capabilities(void)
{
	struct error err;

	if (sandbox_keep_capabilities(UINT64_C(1) << CAP_CHOWN, &err) < 0)
		fail_msg("%s", err.message);
}

void in_child(void (*function)(void *), void *argument)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		function(argument);
		_exit(0);
	}
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}
