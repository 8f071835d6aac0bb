// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdlib.h>

#include "common/base/array.h"
#include "device-plugin/plugin/identity_internal.h"

#define CONTAINERS_BYTES_MAX 1024

int owner_init(struct owner *owner, const char *resource, const char *device, struct error *err)
{
	owner->resource = arena_string(&owner->arena, resource);
	owner->device = arena_string(&owner->arena, device);
	return owner->resource && owner->device ? 0 : error_nomem(err);
}

void owner_clear(struct owner *owner)
{
	free(owner->claims);
	arena_clear(&owner->arena);
	*owner = (struct owner){};
}

/* ── The checkpoint ── */

static bool is_it(const struct owner *owner, const struct checkpoint_device *device)
{
	return strcmp(device->device, owner->device) == 0 && strcmp(device->resource, owner->resource) == 0;
}

/* A pod's later container may get the device of an init container before it; and each NUMA node has its own entry. */
static int take_entry(struct owner *owner, const struct checkpoint_device *entry, struct buf *containers, struct error *err)
{
	if (owner->uid && strcmp(owner->uid, entry->pod_uid) != 0)
		return error_set(err, EAGAIN, "device %s stands in kubelet's checkpoint for two pods, of UID %s and %s; " ASK_AGAIN,
				 owner->device, owner->uid, entry->pod_uid);
	if (!owner->uid)
		owner->uid = arena_string(&owner->arena, entry->pod_uid);
	if (!owner->uid)
		return error_nomem(err);
	if (containers->n == 0)
		buf_string(containers, entry->container);
	else if (strcmp(buf_text(containers), entry->container) != 0)
		buf_printf(containers, ", %s", entry->container);
	return 0;
}

static int take_entries(struct owner *owner, const struct checkpoint *checkpoint, struct error *err)
{
	_cleanup_(buf_free) struct buf containers = BUF_MAX(CONTAINERS_BYTES_MAX);
	int r = 0;

	for (size_t i = 0; i < checkpoint->n && r == 0; i++) {
		if (is_it(owner, &checkpoint->devices[i]))
			r = take_entry(owner, &checkpoint->devices[i], &containers, err);
	}
	if (r == 0)
		r = buf_check(&containers, "the names of the containers that have the device", err);
	if (r < 0)
		return r;
	owner->containers = arena_string(&owner->arena, buf_text(&containers));
	return owner->containers ? 0 : error_nomem(err);
}

int owner_read_checkpoint(struct owner *owner, const char *path, struct error *err)
{
	_cleanup_(checkpoint_clear) struct checkpoint checkpoint = {};

	int r = checkpoint_load(path, &checkpoint, err);
	if (r == 0)
		r = take_entries(owner, &checkpoint, err);
	if (r == 0 && !owner->uid)
		return error_set(err, EAGAIN, "device %s of %s stands for no pod in kubelet's checkpoint %s; " ASK_AGAIN, owner->device,
				 owner->resource, path);
	return r;
}

/* ── PodResources ── */

static bool container_has(const Podresources__ContainerResources *container, const struct owner *owner)
{
	for (size_t i = 0; i < container->n_devices; i++) {
		const Podresources__ContainerDevices *devices = container->devices[i];
		for (size_t j = 0; strcmp(devices->resource_name, owner->resource) == 0 && j < devices->n_device_ids; j++) {
			if (strcmp(devices->device_ids[j], owner->device) == 0)
				return true;
		}
	}
	return false;
}

static bool pod_has(const Podresources__PodResources *pod, const struct owner *owner)
{
	for (size_t i = 0; i < pod->n_containers; i++) {
		if (container_has(pod->containers[i], owner))
			return true;
	}
	return false;
}

static int add_claim(struct owner *owner, const Podresources__PodResources *pod, struct error *err)
{
	struct pod_name claim = {
		.namespace = arena_string(&owner->arena, pod->namespace_),
		.name = arena_string(&owner->arena, pod->name),
	};

	if (!claim.namespace || !claim.name || !array_room((void **)&owner->claims, owner->n_claims, &owner->capacity, sizeof(claim)))
		return error_nomem(err);
	owner->claims[owner->n_claims++] = claim;
	return 0;
}

int owner_add_claims(struct owner *owner, const Podresources__ListResponse *list, struct error *err)
{
	int r = 0;

	for (size_t i = 0; i < list->n_pod_resources && r == 0; i++) {
		if (pod_has(list->pod_resources[i], owner))
			r = add_claim(owner, list->pod_resources[i], err);
	}
	return r;
}

int owner_check_claims(const struct owner *owner, const struct pod_facts *pod, struct error *err)
{
	for (size_t i = 0; i < owner->n_claims; i++) {
		if (strcmp(owner->claims[i].namespace, pod->namespace) == 0 && strcmp(owner->claims[i].name, pod->name) == 0)
			return 0;
	}
	if (owner->n_claims == 0)
		return 0;
	return error_set(err, EAGAIN,
			 "device %s is pod \"%s/%s\"'s by kubelet's checkpoint and pod \"%s/%s\"'s by PodResources; " ASK_AGAIN,
			 owner->device, pod->namespace, pod->name, owner->claims[0].namespace, owner->claims[0].name);
}
