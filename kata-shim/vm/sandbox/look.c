// SPDX-License-Identifier: Apache-2.0
/*
 * What a path alone does not tell of a source (plan.h): emptyDir and subPath look alike on disk and in memory.
 *
 * kubelet gives a subPath as a bind mount of its own. Which directory of the volume that is, only the kernel knows:
 *
 *	… /        …/pods/<uid>/volumes/kubernetes.io~empty-dir/cache   … tmpfs      the volume
 *	… /a/b     …/pods/<uid>/volume-subpaths/cache/main/0            … tmpfs      its subPath a/b, of the same device
 */
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "common/base/file.h"
#include "kata-shim/vm/jail/mountinfo.h"
#include "kata-shim/vm/sandbox/vm.h"

static enum plan_file_system kind_of(const struct statfs *fs)
{
	switch (fs->f_type) {
	case TMPFS_MAGIC:
		return PLAN_TMPFS;
	case HUGETLBFS_MAGIC:
		return PLAN_HUGETLBFS;
	default:
		return PLAN_DISK;
	}
}

/* The directory of its file system that is mounted at `path`. */
static bool find_root(struct slice mounts, const char *path, char ret[static PLAN_SUB_PATH_MAX])
{
	struct mountinfo mount;

	return mountinfo_of(mounts, AT_FDCWD, path, &mount) && mountinfo_name(mount.root, ret, PLAN_SUB_PATH_MAX);
}

/* False: it is none, or its name is too long. */
static bool find_sub_path(struct slice mounts, const char *path, const char *volume, char ret[static PLAN_SUB_PATH_MAX])
{
	char root[PLAN_SUB_PATH_MAX], whole[PLAN_SUB_PATH_MAX];
	struct slice rest;

	if (!find_root(mounts, path, root) || !find_root(mounts, volume, whole) || strstr(root, "//") ||
	    !slice_skip_prefix(slice_string(root), whole[1] ? whole : "", &rest))
		return false;
	if (rest.n > 0 && rest.p[0] != '/')
		return false;
	snprintf(ret, PLAN_SUB_PATH_MAX, "%s", root + strlen(root) - rest.n + (rest.n > 0));
	return true;
}

static int look_at_sub_path(const struct plan_source *source, const struct stat *directory, bool own_guest, struct plan_seen *seen,
			    struct error *err)
{
	_cleanup_(buf_free) struct buf mounts = BUF_MAX(MOUNTINFO_MAX);
	struct stat volume;

	seen->sub_path[0] = '/';
	if (seen->file_system != PLAN_TMPFS || stat(source->ask, &volume) < 0)
		return 0;
	seen->asked = true;
	seen->mode = volume.st_mode & 07777;
	seen->gid = volume.st_gid;
	seen->sub_mode = directory->st_mode & 07777;
	seen->sub_uid = directory->st_uid;
	seen->sub_gid = directory->st_gid;
	if (!own_guest || !S_ISDIR(directory->st_mode) || directory->st_dev != volume.st_dev)
		return 0;
	int r = file_read("/proc/self/mountinfo", &mounts, err);
	if (r == 0 && !find_sub_path(buf_view(&mounts), source->host, source->ask, seen->sub_path))
		seen->sub_path[0] = '/';
	return r;
}

int container_look(const struct vm_container *container, const struct plan_source *source, struct plan_seen *ret, struct error *err)
{
	struct statfs fs;
	struct stat st;

	if (statfs(source->host, &fs) < 0 || stat(source->host, &st) < 0)
		return error_errno(err, errno, "cannot look at %s, for %s", source->host, source->destination);
	*ret = (struct plan_seen){
		.file_system = kind_of(&fs),
		.bytes = (uint64_t)fs.f_blocks * (uint64_t)fs.f_bsize,
		.mode = st.st_mode & 07777,
		.gid = st.st_gid,
	};
	return source->ask ? look_at_sub_path(source, &st, !container->vm->settings->kernel, ret, err) : 0;
}
