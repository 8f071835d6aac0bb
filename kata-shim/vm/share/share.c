// SPDX-License-Identifier: Apache-2.0
/*
 * A mount is made in two steps. Here, on the host, its source is opened and copied as a mount that is nowhere yet. Then a child enters
 * virtiofsd's mount namespace and attaches it:
 *
 *	host: open_tree(source) ─ mount_setattr(idmapped) ─ descriptor ──► child: setns ─ move_mount to /share/<name>
 *
 * The alternative, bind mounts on the host that propagate into that namespace, would leave mounts behind when a shim is killed, would be
 *seen by everybody, and depends on how the host's root is mounted. The place for a mount is an empty directory or file that is made on the
 * host, where virtiofsd has the directory read-only.
 */
#include "kata-shim/vm/share/share.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/show.h"
#include "kata-shim/vm/jail/child.h"
#include "kata-shim/vm/jail/root.h"
#include "kata-shim/vm/share/idmap.h"
#include "kata-shim/vm/share/overlay_mount.h"

#define ROOTFS "/rootfs"
#define LAYERED_MAX 16 /* mounts on top of each other at one place */

struct share {
	int directory;
	int user_namespace, mount_namespace; /* the caller's */
	struct ids ids;
};

int share_new(const char *directory, const struct ids *ids, int user_namespace, int mount_namespace, struct share **ret, struct error *err)
{
	_cleanup_(share_freep) struct share *share = calloc(1, sizeof(*share));

	if (!share)
		return error_nomem(err);
	*share = (struct share){ -1, user_namespace, mount_namespace, *ids };
	share->directory = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (share->directory < 0)
		return error_errno(err, errno, "cannot open %s", directory);
	*ret = TAKE_PTR(share);
	return 0;
}

void share_free(struct share *share)
{
	if (!share)
		return;
	cleanup_close(&share->directory);
	free(share);
}

static int check_name(const char *name, struct error *err)
{
	if (!*name || *name == '.' || strchr(name, '/') || strlen(name) > NAME_MAX)
		return error_set(err, EINVAL, "\"%s\" cannot be a name in a VM's share", SHOW(slice_string(name)));
	return 0;
}

/* ── in virtiofsd's mount namespace ── */

struct entry {
	int mount_namespace;
	char path[NAME_MAX + sizeof(ROOT_SHARE ROOTFS) + 2]; /* in there */
	int tree;                                            /* what to attach, … */
	const struct layers *layers;                         /* … or of what */
};

static int go_there(const struct entry *entry, struct error *err)
{
	if (setns(entry->mount_namespace, CLONE_NEWNS) < 0)
		return error_errno(err, errno, "cannot enter virtiofsd's mount namespace");
	return 0;
}

static int attach_there(void *context, struct error *err)
{
	const struct entry *entry = context;

	int r = go_there(entry, err);
	if (r < 0)
		return r;
	if (entry->layers)
		return layers_mount(entry->layers, entry->path, err);
	if (move_mount(entry->tree, "", AT_FDCWD, entry->path, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return error_errno(err, errno, "cannot attach a mount at %s", entry->path);
	return 0;
}

/* 1: something was in use, and is detached only. */
static int detach(const char *path, struct error *err)
{
	int lazily = 0;

	for (unsigned i = 0; i < LAYERED_MAX; i++) {
		if (umount2(path, UMOUNT_NOFOLLOW) == 0)
			continue;
		if (errno == EINVAL || errno == ENOENT || errno == ENOTDIR)
			return lazily;
		if (errno != EBUSY || umount2(path, UMOUNT_NOFOLLOW | MNT_DETACH) < 0)
			return error_errno(err, errno, "cannot unmount %s", path);
		lazily = 1;
	}
	return error_set(err, ELOOP, "more than %d mounts are on top of each other at %s", LAYERED_MAX, path);
}

static int detach_there(void *context, struct error *err)
{
	struct entry *entry = context;

	int r = go_there(entry, err);
	if (r < 0)
		return r;
	int bind = detach(entry->path, err);
	if (bind < 0)
		return bind;
	strcat(entry->path, ROOTFS);
	int rootfs = detach(entry->path, err);
	return rootfs < 0 ? rootfs : bind | rootfs;
}

/* ── places ── */

static int make_place(const struct share *share, const char *name, mode_t kind, struct error *err)
{
	int r = S_ISDIR(kind) ? mkdirat(share->directory, name, 0755) : mknodat(share->directory, name, S_IFREG | 0444, 0);

	return r < 0 ? error_errno(err, errno, "cannot make the place for a mount, %s", name) : 0;
}

static int make_rootfs_place(const struct share *share, const char *container, char ret[static NAME_MAX + sizeof(ROOTFS)],
			     struct error *err)
{
	int r = make_place(share, container, S_IFDIR, err);

	snprintf(ret, NAME_MAX + sizeof(ROOTFS), "%s" ROOTFS, container);
	return r == 0 ? make_place(share, ret, S_IFDIR, err) : r;
}

/* Never into a mount: a name with one of our own namespace on it is busy. */
static int remove_place(int directory, const char *name, struct error *err)
{
	char rootfs[NAME_MAX + sizeof(ROOTFS)];

	if (unlinkat(directory, name, 0) == 0 || errno == ENOENT)
		return 0;
	snprintf(rootfs, sizeof(rootfs), "%s" ROOTFS, name);
	if (unlinkat(directory, rootfs, AT_REMOVEDIR) < 0 && errno != ENOENT && errno != ENOTDIR)
		return error_errno(err, errno, "cannot remove %s of a VM's share", rootfs);
	if (unlinkat(directory, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return error_errno(err, errno, "cannot remove %s of a VM's share", name);
	return 0;
}

/* ── what comes in ── */

static int attach(const struct share *share, const char *path, int tree, const struct layers *layers, struct error *err)
{
	struct entry entry = { .mount_namespace = share->mount_namespace, .tree = tree, .layers = layers };

	snprintf(entry.path, sizeof(entry.path), ROOT_SHARE "/%s", path);
	return child_run(0, attach_there, &entry, err);
}

int share_bind(struct share *share, const char *name, const char *source, unsigned flags, struct error *err)
{
	_cleanup_close_ int fd = -1, tree = -1;
	mode_t kind;

	int r = check_name(name, err);
	if (r == 0)
		r = idmap_open(source, &fd, &kind, err);
	if (r == 0)
		r = idmap_clone(fd, source, share->user_namespace, flags & SHARE_READ_ONLY, flags & SHARE_RECURSIVE, &tree, err);
	if (r == 0)
		r = make_place(share, name, kind, err);
	if (r < 0)
		return r;
	r = attach(share, name, tree, NULL, err);
	if (r < 0)
		remove_place(share->directory, name, NULL);
	return r;
}

static bool has_option(const struct share_mount *mount, const char *option)
{
	for (size_t i = 0; i < mount->n_options; i++)
		if (strcmp(mount->options[i], option) == 0)
			return true;
	return false;
}

static int bind_rootfs(const struct share *share, const char *place, const char *source, bool read_only, bool recursive, struct error *err)
{
	_cleanup_close_ int fd = -1, tree = -1;
	mode_t kind;

	int r = idmap_open(source, &fd, &kind, err);
	if (r == 0 && !S_ISDIR(kind))
		r = error_set(err, ENOTDIR, "%s is no directory", source);
	if (r == 0)
		r = idmap_clone(fd, source, share->user_namespace, read_only, recursive, &tree, err);
	return r == 0 ? attach(share, place, tree, NULL, err) : r;
}

static int overlay_rootfs(const struct share *share, const char *place, const struct share_mount *mount, struct error *err)
{
	struct overlay overlay;
	struct layers layers;

	int r = overlay_parse(mount->options, mount->n_options, &overlay, err);
	if (r == 0)
		r = layers_open(&overlay, &share->ids, share->user_namespace, &layers, err);
	if (r == 0) {
		r = attach(share, place, -1, &layers, err);
		layers_close(&layers);
	}
	overlay_free(&overlay);
	return r;
}

static int mount_rootfs(const struct share *share, const char *place, const struct share_mount *mounts, size_t n, const char *bundle_rootfs,
			struct error *err)
{
	if (n == 0)
		return bind_rootfs(share, place, bundle_rootfs, false, true, err);
	if (n == 1 && strcmp(mounts->type, "overlay") == 0)
		return overlay_rootfs(share, place, mounts, err);
	if (n == 1 && strcmp(mounts->type, "bind") == 0)
		return bind_rootfs(share, place, mounts->source, has_option(mounts, "ro"), has_option(mounts, "rbind"), err);
	return error_set(err, EOPNOTSUPP,
			 "its snapshotter gives %zu mounts of type %s, and a VM's root can be one of overlay or bind: set snapshotter = "
			 "\"overlayfs\" in containerd's configuration (from 1.7 on also for this runtime alone), or use a rule with "
			 "backend: kata",
			 n, SHOW(slice_string(mounts->type)));
}

int share_rootfs(struct share *share, const char *container, const struct share_mount *mounts, size_t n, const char *bundle_rootfs,
		 struct error *err)
{
	char place[NAME_MAX + sizeof(ROOTFS)];

	int r = check_name(container, err);
	if (r == 0)
		r = make_rootfs_place(share, container, place, err);
	if (r < 0)
		return r;
	r = mount_rootfs(share, place, mounts, n, bundle_rootfs, err);
	if (r == 0)
		return 0;
	remove_place(share->directory, container, NULL);
	return error_wrap(err, "root of container %s", SHOW(slice_string(container)));
}

/* ── what goes ── */

int share_remove(struct share *share, const char *name, struct error *err)
{
	struct entry entry = { .mount_namespace = share->mount_namespace };

	int r = check_name(name, err);
	if (r < 0)
		return r;
	snprintf(entry.path, sizeof(entry.path), ROOT_SHARE "/%s", name);
	int lazily = child_run(0, detach_there, &entry, err);
	if (lazily < 0)
		return lazily;
	r = remove_place(share->directory, name, err);
	return r < 0 ? r : lazily;
}

int share_clean_up(const char *directory, struct error *err)
{
	int r = 0;
	DIR *entries = opendir(directory);

	if (!entries)
		return errno == ENOENT ? 0 : error_errno(err, errno, "cannot open %s", directory);
	for (const struct dirent *entry; r == 0 && (entry = readdir(entries));)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			r = remove_place(dirfd(entries), entry->d_name, err);
	closedir(entries);
	if (r < 0)
		return r;
	return rmdir(directory) < 0 && errno != ENOENT ? error_errno(err, errno, "cannot remove %s", directory) : 0;
}
