// SPDX-License-Identifier: Apache-2.0
/*
 *	{"Data":{"PodDeviceEntries":[{"PodUID":"8e1f…","ContainerName":"db","ResourceName":"tpm.holdfast/db-password",
 *	                              "DeviceIDs":{"-1":["47facce2-3"]},                     by NUMA node; -1: of none
 *	                              "AllocResp":"…"}, …],                                  null, if there is none
 *	         "RegisteredDevices":{…}},
 *	 "Checksum":…}
 *
 * The file is kubelet's and has the devices of all vendors in it, so only the entries of our resources must make sense to us. One of ours
 * that does not, makes the whole file useless: what it hides may be a second owner of a device.
 */
#include "device-plugin/plugin/checkpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "common/base/array.h"
#include "common/base/file.h"
#include "common/base/show.h"
#include "common/json/json.h"
#include "device-plugin/plugin/device.h"

#define ENTRIES_MAX 20000
#define TEXT_MAX 253
#define UID_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-"

static const struct json_limits limits = { .bytes = CHECKPOINT_BYTES_MAX, .depth = 16, .values = 250000 };

static int require_string(const struct json_view *entry, const char *key, const char **ret, struct error *err)
{
	struct json_view member;

	int r = json_require(entry, key, &member, err);
	if (r == 0)
		r = json_expect_string(&member, ret, err);
	if (r == 0 && (!**ret || strlen(*ret) > TEXT_MAX))
		r = json_error(&member, err, "\"%s\" has %zu bytes: 1 to %d are possible", SHOW(slice_string(*ret)), strlen(*ret),
			       TEXT_MAX);
	return r;
}

/* It becomes a name in a path: of kubelet's directory for the pod. */
static int require_uid(const struct json_view *entry, const char **ret, struct error *err)
{
	int r = require_string(entry, "PodUID", ret, err);

	if (r == 0 && strspn(*ret, UID_CHARACTERS) != strlen(*ret))
		return json_error(entry, err, "PodUID \"%s\" is no UID", SHOW(slice_string(*ret)));
	return r;
}

static int add_device(struct checkpoint *checkpoint, const struct checkpoint_device *entry, const struct json_view *at, struct error *err)
{
	struct checkpoint_device device = *entry;
	const char *id;

	int r = json_expect_string(at, &id, err);
	if (r < 0)
		return r;
	device.device = arena_string(&checkpoint->arena, id);
	if (!device.device ||
	    !array_room((void **)&checkpoint->devices, checkpoint->n, &checkpoint->capacity, sizeof(*checkpoint->devices)))
		return error_nomem(err);
	checkpoint->devices[checkpoint->n++] = device;
	return 0;
}

static int add_devices(struct checkpoint *checkpoint, const struct checkpoint_device *entry, const struct json_view *ids, struct error *err)
{
	size_t n;
	int r = json_expect_object(ids, err);

	JSON_FOR_EACH(node, ids) {
		if (r == 0 && !cJSON_IsNull(node.value))
			r = json_expect_array(&node, DEVICE_SLOTS_MAX, &n, err);
		JSON_FOR_EACH(id, &node) {
			if (r == 0)
				r = add_device(checkpoint, entry, &id, err);
		}
	}
	return r;
}

static int keep_strings(struct arena *arena, struct checkpoint_device *entry, struct error *err)
{
	entry->resource = arena_string(arena, entry->resource);
	entry->pod_uid = arena_string(arena, entry->pod_uid);
	entry->container = arena_string(arena, entry->container);
	return entry->resource && entry->pod_uid && entry->container ? 0 : error_nomem(err);
}

static int add_entry(struct checkpoint *checkpoint, const struct json_view *at, struct error *err)
{
	struct checkpoint_device entry = {};
	struct json_view ids;

	int r = require_string(at, "ResourceName", &entry.resource, err);
	if (r < 0 || !device_secret_of_resource(entry.resource))
		return r;
	r = require_uid(at, &entry.pod_uid, err);
	if (r == 0)
		r = require_string(at, "ContainerName", &entry.container, err);
	if (r == 0)
		r = json_require(at, "DeviceIDs", &ids, err);
	if (r == 0)
		r = keep_strings(&checkpoint->arena, &entry, err);
	return r < 0 ? r : add_devices(checkpoint, &entry, &ids, err);
}

static int add_entries(struct checkpoint *checkpoint, const struct json_view *root, struct error *err)
{
	struct json_view data, entries;
	size_t n;

	int r = json_require(root, "Data", &data, err);
	if (r == 0)
		r = json_expect_object(&data, err);
	if (r < 0 || !json_member(&data, "PodDeviceEntries", &entries))
		return r;
	r = json_expect_array(&entries, ENTRIES_MAX, &n, err);
	JSON_FOR_EACH(entry, &entries) {
		if (r == 0)
			r = add_entry(checkpoint, &entry, err);
	}
	return r;
}

int checkpoint_parse(struct slice text, struct checkpoint *ret, struct error *err)
{
	_cleanup_(json_freep) cJSON *tree = NULL;
	struct checkpoint checkpoint = {};

	int r = json_parse(text, &limits, &tree, err);
	if (r < 0)
		return r;
	const struct json_view root = json_root(tree);
	r = add_entries(&checkpoint, &root, err);
	if (r < 0)
		checkpoint_clear(&checkpoint);
	else
		*ret = checkpoint;
	return r;
}

static int check_owner(int fd, const char *path, struct error *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return error_errno(err, errno, "cannot look at %s", path);
	if (!S_ISREG(st.st_mode))
		return error_set(err, EACCES, "%s is no file", path);
	if (st.st_uid != geteuid() || st.st_mode & (S_IWGRP | S_IWOTH))
		return error_set(err, EACCES, "%s is not believed: user %u has it, mode %04o, and only user %u, as kubelet, may write it",
				 path, st.st_uid, st.st_mode & 07777, geteuid());
	return 0;
}

int checkpoint_load(const char *path, struct checkpoint *ret, struct error *err)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(CHECKPOINT_BYTES_MAX);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	if (fd < 0)
		return error_errno(err, errno, "cannot open kubelet's checkpoint %s", path);
	int r = check_owner(fd, path, err);
	if (r == 0)
		r = file_read_fd(fd, path, &text, err);
	if (r < 0)
		return r;
	r = checkpoint_parse(buf_view(&text), ret, err);
	return r < 0 ? error_wrap(err, "kubelet's checkpoint %s", path) : r;
}

void checkpoint_clear(struct checkpoint *checkpoint)
{
	arena_clear(&checkpoint->arena);
	free(checkpoint->devices);
	*checkpoint = (struct checkpoint){};
}
