// SPDX-License-Identifier: Apache-2.0
#include "deploy/install/shred.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <linux/magic.h>
#include <mntent.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/file.h"

static bool is_mount(const char *path)
{
	char parent[PATH_MAX];
	struct stat here, above;

	snprintf(parent, sizeof(parent), "%s/..", path);
	return stat(path, &here) == 0 && stat(parent, &above) == 0 && here.st_dev != above.st_dev;
}

static int shred_file(const char *path, off_t bytes, struct error *err)
{
	static const uint8_t zeros[4096];
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	int r = 0;

	if (fd < 0)
		return error_errno(err, errno, "cannot open %s", path);
	for (off_t at = 0; r == 0 && at < bytes; at += (off_t)sizeof(zeros)) {
		size_t n = bytes - at < (off_t)sizeof(zeros) ? (size_t)(bytes - at) : sizeof(zeros);
		r = file_write_fd(fd, slice_from(zeros, n), path, err);
	}
	if (r == 0 && unlink(path) < 0)
		r = error_errno(err, errno, "cannot remove %s", path);
	return r;
}

static int shred_all(const char *path, struct error *err)
{
	char *const paths[] = { (char *)path, NULL };
	FTSENT *entry;
	int r = 0;

	FTS *walk = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, NULL);
	if (!walk)
		return error_errno(err, errno, "cannot walk %s", path);
	while (r == 0 && (entry = fts_read(walk))) {
		if (entry->fts_info == FTS_F)
			r = shred_file(entry->fts_path, entry->fts_statp->st_size, err);
	}
	fts_close(walk);
	return r;
}

int shred_volumes(const char *path, struct error *err)
{
	struct statfs kind;

	if (!is_mount(path) || statfs(path, &kind) < 0 || (kind.f_type != TMPFS_MAGIC && kind.f_type != RAMFS_MAGIC))
		return 0;
	int r = shred_all(path, err);
	if (r == 0 && umount2(path, MNT_DETACH) < 0)
		r = error_errno(err, errno, "cannot unmount %s", path);
	return r;
}

static bool is_ours(const struct mntent *mount, const char *root)
{
	size_t n = strlen(root);

	return strcmp(mount->mnt_fsname, "holdfast") == 0 && (strcmp(mount->mnt_type, "tmpfs") == 0 || strcmp(mount->mnt_type, "ramfs") == 0) &&
	       strncmp(mount->mnt_dir, root, n) == 0 && mount->mnt_dir[n] == '/';
}

size_t shred_find(const char *root, char ret[SHRED_FOUND_MAX][PATH_MAX])
{
	FILE *mounts = setmntent("/proc/self/mounts", "re");
	const struct mntent *mount;
	size_t n = 0;

	while (mounts && n < SHRED_FOUND_MAX && (mount = getmntent(mounts))) {
		if (is_ours(mount, root))
			snprintf(ret[n++], PATH_MAX, "%s", mount->mnt_dir + strlen(root));
	}
	if (mounts)
		endmntent(mounts);
	return n;
}
