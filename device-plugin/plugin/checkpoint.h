// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_PLUGIN_CHECKPOINT_H
#define HOLDFAST_PLUGIN_CHECKPOINT_H

#include "common/base/arena.h"
#include "common/base/slice.h"

/*
 * What kubelet's device manager remembers on disk: `<kubelet>/device-plugins/kubelet_internal_checkpoint` (pkg/kubelet/cm/devicemanager/
 * checkpoint). Of it the devices of our resources are kept.
 */
#define CHECKPOINT_FILE "kubelet_internal_checkpoint"
#define CHECKPOINT_BYTES_MAX (4 * 1024 * 1024) /* 1000 containers with a device each are half a MiB */

struct checkpoint_device {
	const char *device, *resource, *pod_uid, *container;
};

struct checkpoint {
	struct checkpoint_device *devices; /* in no order; a device of a NUMA node each time it stands there */
	size_t n, capacity;
	struct arena arena;
};

/*
 * EINVAL: it is no checkpoint, or an entry of ours is not as kubelet writes them: then none of it is believed. The checksum is not looked
 * at: it is of Go's own print of the data, which nobody else can make, and the file is replaced in one step.
 */
int checkpoint_parse(struct slice text, struct checkpoint *ret, struct error *err) must_check;

/* ENOENT: kubelet has never given a device away. EACCES: somebody else than our own user, which is kubelet's, may write it. */
int checkpoint_load(const char *path, struct checkpoint *ret, struct error *err) must_check;

void checkpoint_clear(struct checkpoint *checkpoint);

#endif
