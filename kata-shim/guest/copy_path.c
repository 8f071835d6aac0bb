// SPDX-License-Identifier: Apache-2.0
/* Containers may write to folders that are copied; so each name is looked up by itself, and what is a link is never followed. */
#include "kata-shim/guest/copy_path.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "common/base/cleanup.h"
#include "common/base/file.h"
#include "common/base/show.h"
#include "kata-shim/guest/files.h"
#include "kata-shim/guest/sandbox.h"

static int split(struct copy_path *path, struct error *err)
{
	char *rest = path->text;

	for (char *name; (name = strsep(&rest, "/"));) {
		if (path->n == COPY_DEPTH_MAX)
			return error_set(err, E2BIG, "more than %d folders below " GUEST_SHARED, COPY_DEPTH_MAX);
		if (!file_is_name(name))
			return error_set(err, EINVAL, "\"%s\" is no file's name", SHOW(slice_string(name)));
		path->names[path->n++] = name;
	}
	return 0;
}

int copy_path_read(const char *path, struct copy_path *ret, struct error *err)
{
	struct slice rest;

	ret->n = 0;
	if (!slice_skip_prefix(slice_string(path), GUEST_SHARED "/", &rest) || rest.n >= sizeof(ret->text))
		return error_set(err, EINVAL, "path \"%s\" is not below " GUEST_SHARED, SHOW(slice_string(path)));
	memcpy(ret->text, rest.p, rest.n + 1);
	int r = split(ret, err);
	return r < 0 ? error_wrap(err, "path \"%s\"", SHOW(slice_string(path))) : 0;
}

static int open_folder(int at, const char *name)
{
	const struct open_how how = {
		.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV,
	};

	return (int)syscall(SYS_openat2, at, name, &how, sizeof(how));
}

static int enter(int at, const char *name, mode_t mode, struct error *err)
{
	int fd = open_folder(at, name);

	if (fd < 0 && errno == ENOENT && mode) {
		if (mkdirat(at, name, 0700) < 0 || fchmodat(at, name, mode, 0) < 0)
			return error_errno(err, errno, "cannot make the folder \"%s\"", SHOW(slice_string(name)));
		fd = open_folder(at, name);
	}
	if (fd >= 0)
		return fd;
	if (errno == EXDEV)
		return error_set(err, EXDEV, "\"%s\" is another file system, which is not the guest's to write to",
				 SHOW(slice_string(name)));
	return error_errno(err, errno, "cannot enter \"%s\"", SHOW(slice_string(name)));
}

int copy_path_open(const struct copy_path *path, mode_t mode, int *ret_fd, struct error *err)
{
	int r = file_make_directory(GUEST_SHARED, 0755, err);
	if (r < 0)
		return r;
	_cleanup_close_ int fd = open(GUEST_SHARED, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return error_errno(err, errno, "cannot open " GUEST_SHARED);
	for (size_t i = 0; i + 1 < path->n; i++) {
		int next = enter(fd, path->names[i], mode, err);
		if (next < 0)
			return next;
		close(fd);
		fd = next;
	}
	*ret_fd = TAKE_FD(fd);
	return 0;
}
