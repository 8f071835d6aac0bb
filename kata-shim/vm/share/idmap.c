// SPDX-License-Identifier: Apache-2.0
/*
 * An idmapped mount says other owners than the disk: those of the user namespace that it was given. Which file systems can be mounted so
 * grew with Linux: ext4, xfs, btrfs, f2fs and others by 5.19, tmpfs in 6.3, FUSE in 6.12; overlayfs and NFS cannot. The kernel says no more
 * than EINVAL. Who has to act wants to know which file system it was, and below which path, so that is looked up then.
 */
#include "kata-shim/vm/share/idmap.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/file.h"
#include "kata-shim/vm/jail/mountinfo.h"

static const char *name_of_kind(mode_t kind)
{
	switch (kind & S_IFMT) {
	case S_IFSOCK:
		return "a socket";
	case S_IFIFO:
		return "a named pipe";
	case S_IFCHR:
	case S_IFBLK:
		return "a device";
	default:
		return "neither a directory nor a file";
	}
}

int idmap_open(const char *path, int *ret_fd, mode_t *ret_kind, struct error *err)
{
	_cleanup_close_ int fd = open(path, O_PATH | O_CLOEXEC);
	struct stat status;

	if (fd < 0 || fstat(fd, &status) < 0)
		return error_errno(err, errno, "cannot open %s", path);
	if (!S_ISDIR(status.st_mode) && !S_ISREG(status.st_mode))
		return error_set(
			err, EOPNOTSUPP,
			"%s is %s, and a VM can have only directories and files of its host: leave it out, or run the pod without a VM",
			path, name_of_kind(status.st_mode));
	*ret_kind = status.st_mode;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

/* Returns -errno. */
static int clone_mount(int source, int user_namespace, bool read_only, bool recursive, int *ret_tree)
{
	struct mount_attr attributes = {
		.attr_set =
			MOUNT_ATTR_IDMAP | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC | (read_only ? MOUNT_ATTR_RDONLY : 0),
		.propagation = MS_PRIVATE,
		.userns_fd = (uint64_t)user_namespace,
	};
	unsigned below = recursive ? AT_RECURSIVE : 0;

	_cleanup_close_ int tree = open_tree(source, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | below);
	if (tree < 0 || mount_setattr(tree, "", AT_EMPTY_PATH | below, &attributes, sizeof(attributes)) < 0)
		return -errno;
	*ret_tree = TAKE_FD(tree);
	return 0;
}

/* ── which one it was ── */

static int refuse(const char *path, struct slice type, int code, struct error *err)
{
	struct utsname kernel = { 0 };

	if (code == EPERM)
		return error_set(err, EOPNOTSUPP,
				 "cannot share %s with a VM: its mount (" SLICE_FORMAT ") is idmapped already, or this process is not root",
				 path, SLICE_ARGS(type));
	uname(&kernel);
	return error_set(err, EOPNOTSUPP,
			 "cannot share %s with a VM: it is on " SLICE_FORMAT ", which Linux %s cannot mount with other owners (idmapped); "
			 "ext4, xfs and btrfs can from 5.19 on, tmpfs from 6.3",
			 path, SLICE_ARGS(type), kernel.release);
}

static struct slice find_type(struct slice mounts, int fd)
{
	struct mountinfo mount;

	return mountinfo_of(mounts, fd, "", &mount) ? mount.type : slice_string("an unknown file system");
}

static bool is_below(struct slice point, const char *path)
{
	struct slice rest;

	return slice_skip_prefix(point, path, &rest) && rest.n > 0 && (rest.p[0] == '/' || path[1] == '\0');
}

/* The first mount below `source` that cannot be had by itself. Names with blanks are passed over: then the top one is blamed. */
static bool find_culprit(struct slice mounts, int source, int user_namespace, struct mountinfo *ret)
{
	char link[64], path[PATH_MAX], point[PATH_MAX];

	snprintf(link, sizeof(link), "/proc/self/fd/%d", source);
	ssize_t n = readlink(link, path, sizeof(path) - 1);
	if (n < 0)
		return false;
	path[n] = '\0';
	while (mountinfo_next(&mounts, ret)) {
		_cleanup_close_ int tree = -1;
		if (!is_below(ret->point, path) || ret->point.n >= sizeof(point))
			continue;
		snprintf(point, sizeof(point), SLICE_FORMAT, SLICE_ARGS(ret->point));
		_cleanup_close_ int fd = open(point, O_PATH | O_CLOEXEC);
		if (fd >= 0 && clone_mount(fd, user_namespace, true, false, &tree) < 0)
			return true;
	}
	return false;
}

static int explain(int source, const char *path, int user_namespace, bool recursive, int code, struct error *err)
{
	_cleanup_(buf_free) struct buf mounts = BUF_MAX(MOUNTINFO_MAX);
	_cleanup_close_ int tree = -1;
	char point[PATH_MAX];
	struct mountinfo culprit;

	int r = file_read("/proc/self/mountinfo", &mounts, err);
	if (r < 0)
		return r;
	if (recursive && clone_mount(source, user_namespace, true, false, &tree) == 0 &&
	    find_culprit(buf_view(&mounts), source, user_namespace, &culprit)) {
		snprintf(point, sizeof(point), SLICE_FORMAT, SLICE_ARGS(culprit.point));
		return refuse(point, culprit.type, code, err);
	}
	return refuse(path, find_type(buf_view(&mounts), source), code, err);
}

int idmap_clone(int source, const char *path, int user_namespace, bool read_only, bool recursive, int *ret_tree, struct error *err)
{
	int r = clone_mount(source, user_namespace, read_only, recursive, ret_tree);

	if (r == -EINVAL || r == -EPERM)
		return explain(source, path, user_namespace, recursive, -r, err);
	return r < 0 ? error_errno(err, -r, "cannot share %s with a VM", path) : 0;
}
