// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_PLUGIN_OFFER_H
#define HOLDFAST_PLUGIN_OFFER_H

#include "device-plugin/plugin/device.h"

/*
 * What is offered to kubelet under one resource, and the messages about it: kubelet's request → our answer, as bytes. No I/O.
 *
 * A device, once listed, stays listed: kubelet (1.36, allocateContainerResources) looks up a device that it has just allocated in the
 * newest list without asking whether it is there, and a list without it would end kubelet. What is offered no more is Unhealthy.
 */
struct offer {
	const char *secret, *volumes;
	struct device_hash hash;
	unsigned slots, listed; /* slots <= listed <= DEVICE_SLOTS_MAX */
	bool healthy;
	uint64_t n_given;
	uint64_t *given; /* [listed]: n_given when the slot was last allocated; 0: never */
	/* The device whose volume a container is about to get; before the answer. NULL: nobody wants to know. */
	void (*allocated)(void *context, const char *device);
	void *context;
};

#define OFFER_REQUEST_MAX (256 * 1024) /* bytes; 1000 ids twice are 40 KiB */

/* 1..DEVICE_SLOTS_MAX, else EINVAL. */
int offer_set_slots(struct offer *offer, unsigned slots, struct error *err) must_check;

/* Append messages of kubelet's protocol. ENOMEM; EINVAL: a request that cannot be read; ENOENT: an id that no device of this resource has.
 */
int offer_registration(const struct offer *offer, const char *endpoint, struct buf *out, struct error *err) must_check;
int offer_options(struct buf *out, struct error *err) must_check;
int offer_list(const struct offer *offer, struct buf *out, struct error *err) must_check;
/* The slots that were not given for the longest time come first, so that a volume may be cleared before its device comes round. */
int offer_preferred(const struct offer *offer, struct slice request, struct buf *out, struct error *err) must_check;
/* One read-only mount per container, of the volume that the lowest slot names. Slots that are not offered now have their volumes still. */
int offer_allocate(struct offer *offer, struct slice request, struct buf *out, struct error *err) must_check;

/* A PreStartContainer request; the answer has no fields. */
int offer_read_start(const struct offer *offer, struct slice request, struct device_id *ret, struct error *err) must_check;

#endif
