// SPDX-License-Identifier: Apache-2.0
#include "cni-plugin/agent/drop_ring.h"

#include <stdlib.h>
#include <string.h>

void drop_free(struct drop *drop)
{
	if (!drop)
		return;
	free(drop->from);
	free(drop->to);
	free(drop->policies);
	free(drop->reason);
	free(drop);
}

static struct drop **slot(struct drop_ring *ring, size_t i)
{
	return &ring->items[(ring->first + i) % DROP_RING_MAX];
}

const struct drop *drop_ring_at(const struct drop_ring *ring, size_t i)
{
	return i < ring->n ? ring->items[(ring->first + i) % DROP_RING_MAX] : NULL;
}

static bool is_alike(const struct drop *a, const struct drop *b)
{
	return a->kind == b->kind && a->spoofed == b->spoofed && a->device == b->device && a->answer == b->answer &&
	       a->protocol == b->protocol && a->has_port == b->has_port && a->port == b->port &&
	       kube_address_equals(&a->source, &b->source) && kube_address_equals(&a->destination, &b->destination);
}

/* A clock that was set back merges nothing; else an old drop could swallow new ones for hours. */
static bool is_recent(const struct drop *old, const struct drop *new)
{
	return new->last_ms >= old->first_ms &&new->last_ms - old->first_ms <= DROP_MERGE_MS;
}

bool drop_ring_merge(struct drop_ring *ring, const struct drop *drop)
{
	size_t i = ring->n;

	while (i > 0 && ring->n - i < DROP_MERGE_BACK) {
		struct drop *old = *slot(ring, --i);

		if (!is_alike(old, drop) || !is_recent(old, drop))
			continue;
		old->count++;
		old->last_ms = drop->last_ms;
		old->serial = ++ring->serial;
		for (; i + 1 < ring->n; i++)
			*slot(ring, i) = *slot(ring, i + 1);
		*slot(ring, i) = old;
		return true;
	}
	return false;
}

void drop_ring_add(struct drop_ring *ring, struct drop *drop)
{
	if (ring->n == DROP_RING_MAX) {
		drop_free(*slot(ring, 0));
		ring->first = (ring->first + 1) % DROP_RING_MAX;
		ring->n--;
	}
	drop->serial = ++ring->serial;
	*slot(ring, ring->n++) = drop;
}

void drop_ring_clear(struct drop_ring *ring)
{
	for (size_t i = 0; i < ring->n; i++)
		drop_free(*slot(ring, i));
	*ring = (struct drop_ring){};
}
