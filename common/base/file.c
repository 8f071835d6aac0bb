// SPDX-License-Identifier: Apache-2.0
#include "common/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/cleanup.h"

#define READ_STEP (16 * 1024)

static ssize_t read_some(int fd, void *to, size_t n)
{
	ssize_t r;

	do
		r = read(fd, to, n);
	while (r < 0 && errno == EINTR);
	return r;
}

/* The buffer is full: one more byte would be too much. */
static int expect_end(int fd, const char *what, size_t limit, struct error *err)
{
	uint8_t byte;
	ssize_t n = read_some(fd, &byte, 1);

	if (n < 0)
		return error_errno(err, errno, "cannot read %s", what);
	if (n > 0)
		return error_set(err, EFBIG, "%s is larger than the limit of %zu bytes", what, limit);
	return 0;
}

int file_read_fd(int fd, const char *what, struct buf *out, struct error *err)
{
	while (out->n < out->maximum) {
		size_t room = out->maximum - out->n;
		size_t step = room < READ_STEP ? room : READ_STEP;
		uint8_t *to = buf_reserve(out, step);
		if (!to)
			return buf_check(out, what, err);
		ssize_t n = read_some(fd, to, step);
		if (n < 0)
			return error_errno(err, errno, "cannot read %s", what);
		if (n == 0)
			return 0;
		buf_commit(out, (size_t)n);
	}
	return expect_end(fd, what, out->maximum, err);
}

int file_read(const char *path, struct buf *out, struct error *err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return error_errno(err, errno, "cannot open %s", path);
	return file_read_fd(fd, path, out, err);
}

int file_write_fd(int fd, struct slice content, const char *what, struct error *err)
{
	while (content.n > 0) {
		ssize_t n = write(fd, content.p, content.n);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_errno(err, errno, "cannot write %s", what);
		content = slice_from(content.p + n, content.n - (size_t)n);
	}
	return 0;
}

int file_sync_directory_of(const char *path, struct error *err)
{
	char directory[PATH_MAX];
	const char *slash = strrchr(path, '/');

	if (!slash)
		snprintf(directory, sizeof(directory), ".");
	else
		snprintf(directory, sizeof(directory), "%.*s", slash == path ? 1 : (int)(slash - path), path);
	_cleanup_close_ int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return error_errno(err, errno, "cannot open directory %s", directory);
	if (fsync(fd) < 0)
		return error_errno(err, errno, "cannot sync directory %s", directory);
	return 0;
}

/* `fd` is the temporary file's, which is gone after a failure. */
static int replace(int fd, const char *temporary, const char *path, struct slice content, mode_t mode, struct error *err)
{
	int r = file_write_fd(fd, content, temporary, err);

	if (r == 0 && fsync(fd) < 0)
		r = error_errno(err, errno, "cannot sync %s", temporary);
	if (r == 0 && fchmod(fd, mode) < 0)
		r = error_errno(err, errno, "cannot set the mode of %s", temporary);
	if (r == 0 && rename(temporary, path) < 0)
		r = error_errno(err, errno, "cannot rename %s to %s", temporary, path);
	if (r < 0) {
		unlink(temporary);
		return r;
	}
	return file_sync_directory_of(path, err);
}

int file_write_atomic(const char *path, struct slice content, mode_t mode, struct error *err)
{
	char temporary[PATH_MAX];

	if (snprintf(temporary, sizeof(temporary), "%s.XXXXXX", path) >= (int)sizeof(temporary))
		return error_set(err, ENAMETOOLONG, "path %.64s... is too long", path);
	_cleanup_close_ int fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0)
		return error_errno(err, errno, "cannot create a temporary file for %s", path);
	return replace(fd, temporary, path, content, mode, err);
}

static int expect_directory(const char *path, struct error *err)
{
	struct stat status;

	if (stat(path, &status) < 0)
		return error_errno(err, errno, "cannot look at %s", path);
	if (!S_ISDIR(status.st_mode))
		return error_set(err, ENOTDIR, "%s is no directory", path);
	return 0;
}

int file_make_directory(const char *path, mode_t mode, struct error *err)
{
	char part[PATH_MAX];
	size_t n = strlen(path);

	if (n == 0 || n >= sizeof(part))
		return error_set(err, EINVAL, "\"%.64s\" is no usable directory path", path);
	memcpy(part, path, n + 1);
	for (char *slash = part + 1;; slash++) {
		if (*slash && *slash != '/')
			continue;
		char kept = *slash;
		*slash = 0;
		if (mkdir(part, mode) < 0 && errno != EEXIST)
			return error_errno(err, errno, "cannot create directory %s", part);
		*slash = kept;
		if (!kept)
			return expect_directory(part, err);
	}
}
