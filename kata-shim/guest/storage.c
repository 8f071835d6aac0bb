// SPDX-License-Identifier: Apache-2.0
/* What is mounted stands in a table of fixed size: there is one sandbox, and its storages are few. */
#include "kata-shim/guest/storage.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/show.h"
#include "kata-shim/guest/mount_options.h"

#define PLACE_MAX 512
#define SOURCE_MAX 256

static struct {
	char place[PLACE_MAX], source[SOURCE_MAX];
	bool is_tmpfs;
} mounted[STORAGES_MAX];
static size_t n_mounted;

static bool is_below_files(const char *path)
{
	return strncmp(path, GUEST_FILES "/", sizeof(GUEST_FILES)) == 0 && !strstr(path, "/..") && strlen(path) < PLACE_MAX;
}

/* A tmpfs' own mode= does not make what is in it the group's. */
static int give_to_group(const char *place, gid_t group, struct error *err)
{
	struct stat status;

	if (chown(place, (uid_t)-1, group) < 0 || stat(place, &status) < 0 || chmod(place, (status.st_mode & 07777) | S_ISGID | 0070) < 0)
		return error_errno(err, errno, "cannot give %s to group %u", place, group);
	return 0;
}

static int mount_at(const Agent__Storage *storage, const char *type, struct error *err)
{
	struct mount_options options;

	int r = mount_options_read(storage->options, storage->n_options, &options, err);
	if (r == 0)
		r = file_make_directory(storage->mount_point, 0755, err);
	if (r < 0)
		return r;
	if (mount(storage->source, storage->mount_point, type, options.flags, options.data) < 0)
		return error_errno(err, errno, "cannot mount %s \"%s\"%s%s", type, SHOW(slice_string(storage->source)),
				   options.data[0] ? " with " : "", options.data);
	if (options.has_group)
		r = give_to_group(storage->mount_point, options.group, err);
	if (r < 0)
		umount2(storage->mount_point, MNT_DETACH);
	return r;
}

static int mount_new(const Agent__Storage *storage, struct error *err)
{
	if (strcmp(storage->driver, "virtio-fs") == 0)
		return mount_at(storage, "virtiofs", err);
	if (strcmp(storage->driver, "ephemeral") == 0 && strcmp(storage->fstype, "tmpfs") == 0)
		return mount_at(storage, "tmpfs", err);
	return error_set(err, EINVAL, "driver \"%s\" with file system \"%s\": the guest has virtio-fs, and ephemeral with tmpfs",
			 SHOW(slice_string(storage->driver)), SHOW(slice_string(storage->fstype)));
}

/* 1: it is there already. */
static int find(const Agent__Storage *storage, struct error *err)
{
	for (size_t i = 0; i < n_mounted; i++) {
		if (strcmp(mounted[i].place, storage->mount_point) != 0)
			continue;
		if (strcmp(mounted[i].source, storage->source) == 0)
			return 1;
		return error_set(err, EEXIST, "\"%s\" is mounted there", mounted[i].source);
	}
	return 0;
}

static bool is_tmpfs_of_ours(const char *place)
{
	for (size_t i = 0; i < n_mounted; i++) {
		if (mounted[i].is_tmpfs && strcmp(mounted[i].place, place) == 0)
			return true;
	}
	return false;
}

static int mount_sub_path(const Agent__Storage *storage, struct sub_paths *sub_paths, struct error *err)
{
	if (!sub_paths)
		return error_set(err, EINVAL, "driver " SUB_PATH_DRIVER " is for a container's storages");
	if (!is_tmpfs_of_ours(storage->source))
		return error_set(err, EINVAL, "\"%s\" is no ephemeral storage of the sandbox", SHOW(slice_string(storage->source)));
	return sub_path_mount(sub_paths, storage, err);
}

static int mount_one(const Agent__Storage *storage, struct sub_paths *sub_paths, struct error *err)
{
	if (!is_below_files(storage->mount_point))
		return error_set(err, EINVAL, "that is not below " GUEST_FILES);
	if (strcmp(storage->driver, SUB_PATH_DRIVER) == 0)
		return mount_sub_path(storage, sub_paths, err);
	if (strlen(storage->source) >= SOURCE_MAX)
		return error_set(err, EINVAL, "its source is longer than %d bytes", SOURCE_MAX - 1);
	int r = find(storage, err);
	if (r != 0)
		return r < 0 ? r : 0;
	if (n_mounted == STORAGES_MAX)
		return error_set(err, ENOSPC, "the sandbox has %d storages already", STORAGES_MAX);
	r = mount_new(storage, err);
	if (r < 0)
		return r;
	strcpy(mounted[n_mounted].place, storage->mount_point);
	strcpy(mounted[n_mounted].source, storage->source);
	mounted[n_mounted].is_tmpfs = strcmp(storage->driver, "ephemeral") == 0;
	n_mounted++;
	return 0;
}

static void unmount_down_to(size_t n)
{
	while (n_mounted > n) {
		const char *place = mounted[--n_mounted].place;

		if (umount2(place, UMOUNT_NOFOLLOW) < 0)
			umount2(place, UMOUNT_NOFOLLOW | MNT_DETACH);
	}
}

int storages_mount(Agent__Storage *const *storages, size_t n, struct sub_paths *sub_paths, struct error *err)
{
	const size_t before = n_mounted;

	for (size_t i = 0; i < n; i++) {
		int r = mount_one(storages[i], sub_paths, err);
		if (r < 0) {
			error_wrap(err, "storage at %s", SHOW(slice_string(storages[i]->mount_point)));
			unmount_down_to(before);
			return r;
		}
	}
	return 0;
}

const char *storages_share(void)
{
	for (size_t i = 0; i < n_mounted; i++) {
		if (!mounted[i].is_tmpfs)
			return mounted[i].place;
	}
	return NULL;
}

void storages_unmount(void)
{
	unmount_down_to(0);
}
