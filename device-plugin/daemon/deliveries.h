// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TPM_DELIVERIES_H
#define HOLDFAST_TPM_DELIVERIES_H

#include "common/base/arena.h"
#include "device-plugin/daemon/sealed.h"

/* What is in the volumes, by device, and whose pods have it. */
struct delivery {
	struct delivery *next;
	const char *device, *resource;                 /* the resource's secret: "db-password", or PLUGIN_GENERAL */
	const char *namespace, *pod, *uid, *container; /* "" as long as nobody has told: found at the start */
	struct sealed **parts;                         /* what is in it, one for each secret; none: found at the start, or taken away */
	size_t n_parts;
	bool taken_away; /* for good: the volume is empty, and stays so */
	uint64_t at_ms;  /* uv_now */
	struct arena arena;
};

struct deliveries {
	struct delivery *first;
	size_t n;
};

/* Replaces the device's. Takes references of the parts. ENOMEM: it is as it was. */
struct delivery_owner {
	const char *namespace, *pod, *uid, *container;
};
int deliveries_put(struct deliveries *deliveries, const char *device, const char *resource, const struct delivery_owner *owner,
		   struct sealed *const *parts, size_t n_parts, uint64_t now_ms, struct error *err) must_check;
struct delivery *deliveries_find(const struct deliveries *deliveries, const char *device);
/* Its pod may not have it any more. */
void delivery_take_away(struct delivery *delivery);
/* Or nobody knows whose it is. */
bool delivery_is_of(const struct delivery *delivery, const char *uid);
bool delivery_has(const struct delivery *delivery, const char *secret);
void deliveries_remove(struct deliveries *deliveries, const char *device);
void deliveries_clear(struct deliveries *deliveries);

#endif
