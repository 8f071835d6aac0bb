// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/vm_copies/volume.h"

#include "tests/unit/common/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *join(char text[static PATH_MAX], const char *at, const char *name)
{
	snprintf(text, PATH_MAX, "%s/%s", at, name);
	return text;
}

void make_directory(const char *at, const char *name, mode_t mode)
{
	char path[PATH_MAX];

	assert_int_equal(mkdir(join(path, at, name), 0700), 0);
	assert_int_equal(chmod(path, mode), 0);
}

void make_file(const char *at, const char *name, const char *content, mode_t mode)
{
	char path[PATH_MAX];
	const int fd = open(join(path, at, name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, content, strlen(content)), strlen(content));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

void make_link(const char *at, const char *name, const char *target)
{
	char path[PATH_MAX], next[PATH_MAX];

	join(next, at, "..data_tmp");
	assert_int_equal(symlink(target, next), 0);
	assert_int_equal(rename(next, join(path, at, name)), 0);
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *where)
{
	return remove(path);
}

void remove_all(const char *path)
{
	assert_true(nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0 || errno == ENOENT);
}

void volume_prepare(const char *volume, const char *version, const struct file *files, size_t n)
{
	char path[PATH_MAX];

	make_directory(volume, version, 0755);
	for (size_t i = 0; i < n; i++)
		make_file(join(path, volume, version), files[i].name, files[i].content, files[i].mode ? files[i].mode : 0644);
}

static void make_links(const char *volume, const struct file *files, size_t n)
{
	char path[PATH_MAX], target[PATH_MAX];
	struct stat status;

	for (size_t i = 0; i < n; i++) {
		if (lstat(join(path, volume, files[i].name), &status) < 0)
			make_link(volume, files[i].name, join(target, "..data", files[i].name));
	}
}

static void remove_old(const char *volume, const char *old)
{
	static const char *const names[] = { "a", "b", "c" };
	char path[PATH_MAX];
	struct stat status;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (stat(join(path, volume, names[i]), &status) < 0)
			unlink(path);
	}
	if (old)
		remove_all(join(path, volume, old));
}

void volume_switch(const char *volume, const char *version, const char *old, const struct file *files, size_t n)
{
	make_link(volume, "..data", version);
	make_links(volume, files, n);
	remove_old(volume, old);
}
