// SPDX-License-Identifier: Apache-2.0
#include "kata-shim/bundle/bundle.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/show.h"

#define DIRECTORY (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

static bool has_dots(const char *path)
{
	for (const char *part = path; part; part = strchr(part, '/')) {
		part += *part == '/';
		if (strncmp(part, "..", 2) == 0 && (part[2] == '/' || !part[2]))
			return true;
	}
	return false;
}

int bundle_open(const char *path, int *ret_fd, struct error *err)
{
	if (strcmp(path, ".") != 0 && (path[0] != '/' || has_dots(path)))
		return error_set(err, EINVAL, "bundle %s: an absolute path without \"..\" is expected", SHOW(slice_string(path)));
	int fd = open(path, DIRECTORY);
	if (fd < 0)
		return error_errno(err, errno, "cannot open bundle %s", SHOW(slice_string(path)));
	*ret_fd = fd;
	return 0;
}

int bundle_open_beside(int fd, const char *id, int *ret_fd, struct error *err)
{
	_cleanup_close_ int parent = -1;

	int r = spec_check_id("bundle", id, err);
	if (r < 0)
		return r;
	parent = openat(fd, "..", DIRECTORY);
	if (parent < 0)
		return error_errno(err, errno, "cannot open the directory of the bundle");
	int beside = openat(parent, id, DIRECTORY);
	if (beside < 0)
		return error_errno(err, errno, "cannot open bundle %s", id);
	*ret_fd = beside;
	return 0;
}

static int check_file(int fd, const char *name, bool private, struct error *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return error_errno(err, errno, "cannot look at %s", name);
	if (!S_ISREG(st.st_mode))
		return error_set(err, EACCES, "%s is no file", name);
	if (private && (st.st_uid != geteuid() || st.st_mode & (S_IWGRP | S_IWOTH)))
		return error_set(err, EACCES, "%s is of user %u, mode %04o: only user %u may be able to write it", name, st.st_uid,
				 st.st_mode & 07777, geteuid());
	return 0;
}

int bundle_read_file(int fd, const char *name, bool private, struct buf *out, struct error *err)
{
	_cleanup_close_ int file = openat(fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (file < 0 && errno == ELOOP)
		return error_set(err, ELOOP, "%s is a symbolic link, and should be a file", name);
	if (file < 0)
		return error_errno(err, errno, "cannot open %s", name);
	int r = check_file(file, name, private, err);
	return r < 0 ? r : file_read_fd(file, name, out, err);
}

int bundle_read_spec(int fd, struct spec *ret, struct error *err)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(SPEC_BYTES_MAX);

	int r = bundle_read_file(fd, "config.json", false, &text, err);
	if (r < 0)
		return r;
	r = spec_parse(buf_view(&text), ret, err);
	return r < 0 ? error_wrap(err, "config.json") : 0;
}
