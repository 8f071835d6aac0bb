// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_VM_SHARE_OVERLAY_MOUNT_H
#define HOLDFAST_VM_SHARE_OVERLAY_MOUNT_H

#include "kata-shim/vm/jail/ids.h"
#include "kata-shim/vm/share/overlay.h"

/* The layers of an overlay, opened on the host. */
struct layers {
	const struct overlay *overlay;
	const struct ids *ids;
	int *lower; /* n_lower idmapped mounts */
	int parent; /* of upper and work, one too; -1: there is none */
};

int layers_open(const struct overlay *overlay, const struct ids *ids, int user_namespace, struct layers *ret, struct error *err) must_check;
void layers_close(struct layers *layers);

/* For a child in the mount namespace of the jail, which has ROOT_SCRATCH: mounts the overlay at `target`. */
int layers_mount(const struct layers *layers, const char *target, struct error *err) must_check;

#endif
