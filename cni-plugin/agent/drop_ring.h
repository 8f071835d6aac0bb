// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_AGENT_DROP_RING_H
#define HOLDFAST_AGENT_DROP_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cni-plugin/policy/engine.h"
#include "cni-plugin/policy/spoof.h"
#include "common/base/cleanup.h"
#include "common/kube/objects.h"

/*
 * What was dropped lately, as it was understood at that moment. No I/O. At most DROP_RING_MAX, the oldest go; a drop that is like one of
 * the last few is counted there, and that one becomes the newest.
 */
#define DROP_RING_MAX 4096
#define DROP_MERGE_BACK 16
#define DROP_MERGE_MS 60000

struct drop {
	uint64_t serial;           /* rises with every change of the ring */
	int64_t first_ms, last_ms; /* since 1970 */
	uint64_t count;
	enum policy_drop kind; /* POLICY_DROP_COUNT: spoofed, and how: */
	enum spoof_reason spoofed;
	unsigned device; /* that it came in by; 0: unknown */
	uint16_t ethertype;
	bool answer; /* the packet was one to who had opened the connection */
	/* Of the connection: who opened it, who answers, on which port. Of a spoofed packet, as it says; family 0: it is not IP. */
	struct kube_address source, destination;
	uint8_t protocol;
	bool has_port;
	uint16_t port;
	char *from, *to; /* "shop/web"; "" if the address is no pod's */
	char *policies;  /* that isolate the pod in this direction: "shop/a, shop/b"; "" if none is known */
	char *reason;    /* in words */
};

void drop_free(struct drop *drop);
DEFINE_CLEANUP(struct drop *, drop_free);

struct drop_ring {
	struct drop *items[DROP_RING_MAX]; /* the oldest at `first` */
	size_t first, n;
	uint64_t serial; /* of the newest */
};

/* A drop like it, that this one was counted in: `drop` need not be filled any further and stays the caller's. False: there is none. */
bool drop_ring_merge(struct drop_ring *ring, const struct drop *drop);
/* Takes ownership, and gives it the next serial. */
void drop_ring_add(struct drop_ring *ring, struct drop *drop);
/* The i-th, the oldest first; NULL behind the newest. */
const struct drop *drop_ring_at(const struct drop_ring *ring, size_t i);
void drop_ring_clear(struct drop_ring *ring);

#endif
