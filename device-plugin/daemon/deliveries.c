// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/daemon/deliveries.h"

#include <stdlib.h>
#include <string.h>

static void forget_parts(struct delivery *delivery)
{
	while (delivery->n_parts > 0)
		sealed_unref(delivery->parts[--delivery->n_parts]);
}

static void delivery_free(struct delivery *delivery)
{
	forget_parts(delivery);
	free(delivery->parts);
	arena_clear(&delivery->arena);
	free(delivery);
}

static bool copy(struct delivery *delivery, const char *device, const char *resource, const struct delivery_owner *owner)
{
	struct arena *arena = &delivery->arena;

	delivery->device = arena_string(arena, device);
	delivery->resource = arena_string(arena, resource);
	delivery->namespace = arena_string(arena, owner->namespace);
	delivery->pod = arena_string(arena, owner->pod);
	delivery->uid = arena_string(arena, owner->uid);
	delivery->container = arena_string(arena, owner->container);
	return delivery->device && delivery->resource && delivery->namespace && delivery->pod && delivery->uid && delivery->container;
}

int deliveries_put(struct deliveries *deliveries, const char *device, const char *resource, const struct delivery_owner *owner,
		   struct sealed *const *parts, size_t n_parts, uint64_t now_ms, struct error *err)
{
	struct delivery *delivery = calloc(1, sizeof(*delivery));

	if (!delivery)
		return error_nomem(err);
	delivery->parts = calloc(n_parts ? n_parts : 1, sizeof(struct sealed *));
	if (!delivery->parts || !copy(delivery, device, resource, owner)) {
		delivery_free(delivery);
		return error_nomem(err);
	}
	for (size_t i = 0; i < n_parts; i++)
		delivery->parts[delivery->n_parts++] = sealed_ref(parts[i]);
	delivery->at_ms = now_ms;
	deliveries_remove(deliveries, device);
	delivery->next = deliveries->first;
	deliveries->first = delivery;
	deliveries->n++;
	return 0;
}

struct delivery *deliveries_find(const struct deliveries *deliveries, const char *device)
{
	for (struct delivery *at = deliveries->first; at; at = at->next) {
		if (strcmp(at->device, device) == 0)
			return at;
	}
	return NULL;
}

void delivery_take_away(struct delivery *delivery)
{
	forget_parts(delivery);
	delivery->taken_away = true;
}

bool delivery_is_of(const struct delivery *delivery, const char *uid)
{
	return !*delivery->uid || strcmp(delivery->uid, uid) == 0;
}

bool delivery_has(const struct delivery *delivery, const char *secret)
{
	if (strcmp(delivery->resource, secret) == 0)
		return true;
	for (size_t i = 0; i < delivery->n_parts; i++) {
		if (strcmp(delivery->parts[i]->envelope->name, secret) == 0)
			return true;
	}
	return false;
}

void deliveries_remove(struct deliveries *deliveries, const char *device)
{
	for (struct delivery **at = &deliveries->first; *at; at = &(*at)->next) {
		struct delivery *delivery = *at;

		if (strcmp(delivery->device, device) != 0)
			continue;
		*at = delivery->next;
		deliveries->n--;
		delivery_free(delivery);
		return;
	}
}

void deliveries_clear(struct deliveries *deliveries)
{
	while (deliveries->first)
		deliveries_remove(deliveries, deliveries->first->device);
}
