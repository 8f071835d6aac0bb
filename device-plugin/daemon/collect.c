// SPDX-License-Identifier: Apache-2.0
/*
 * Volumes whose pods have gone are overwritten and removed. Nobody tells a device plugin that a device is free again, so we ask who has
 * devices: now and then, soon after a pod of this node has changed, and at the start, when volumes may be there that nobody remembers.
 */
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "device-plugin/daemon/daemon.h"

#define EVERY_MS 10000
#define SOON_MS 500 /* kubelet writes things down in its own time */

static void on_time(uv_timer_t *timer);

static struct delivery *remember(struct daemon *daemon, const struct identity_live *live)
{
	const char *secret = device_secret_of_resource(live->resource);
	const struct delivery_owner owner = { "", "", live->pod_uid, "" };
	struct error err;

	if (secret && deliveries_put(&daemon->deliveries, live->device, secret, &owner, NULL, 0, uv_now(&daemon->loop), &err) < 0)
		log_error("a volume that was found cannot be remembered", "device", live->device, "error", err.message);
	return deliveries_find(&daemon->deliveries, live->device);
}

/* What is in the volume of a pod that runs must be what the pod may have now; tried again until that is known. */
static void look_after(struct daemon *daemon, const struct identity_live *live)
{
	struct delivery *delivery = deliveries_find(&daemon->deliveries, live->device);

	if (!delivery)
		delivery = remember(daemon, live);
	if (!delivery)
		return;
	if (delivery->taken_away)
		rotate_take_away(daemon, delivery);
	else if (delivery->n_parts == 0 && !handover_is_under_way(daemon, live->device))
		handover_again(daemon, delivery);
}

struct round {
	struct daemon *daemon;
	const struct identity_live *live;
	size_t n;
};

/* Who has the device; of several, as there are until kubelet has tidied up, the one that was given what is in the volume. */
static const struct identity_live *find_live(const struct round *round, const char *device)
{
	const struct delivery *delivery = deliveries_find(&round->daemon->deliveries, device);
	const struct identity_live *found = NULL;

	for (size_t i = 0; i < round->n; i++) {
		if (strcmp(round->live[i].device, device) != 0)
			continue;
		found = &round->live[i];
		if (!delivery || delivery_is_of(delivery, found->pod_uid))
			break;
	}
	return found;
}

/* What was delivered since we asked may not have been in the answer yet. */
static bool is_new(const struct daemon *daemon, const char *device)
{
	const struct delivery *delivery = deliveries_find(&daemon->deliveries, device);

	return handover_is_under_way(daemon, device) || (delivery && delivery->at_ms >= daemon->collector.began_ms);
}

void collect_volume(struct daemon *daemon, const char *device)
{
	size_t before = volumes_use(daemon->volumes).volumes;
	struct error err;

	if (volumes_remove(daemon->volumes, device, &err) < 0) {
		log_error("the volume of a pod that has gone cannot be removed yet", "device", device, "error", err.message);
		return;
	}
	deliveries_remove(&daemon->deliveries, device);
	if (volumes_use(daemon->volumes).volumes == before)
		return;
	daemon->counters.shredded++;
	log_info("the volume of a pod that has gone was overwritten and removed", "device", device);
}

/* kubelet gives a device away again as soon as its pod is gone. */
static bool has_gone_over(const struct daemon *daemon, const struct identity_live *live)
{
	const struct delivery *delivery = deliveries_find(&daemon->deliveries, live->device);

	return delivery && !delivery_is_of(delivery, live->pod_uid);
}

static int visit(void *context, const char *device, struct error *err)
{
	const struct round *round = context;
	struct daemon *daemon = round->daemon;
	const struct identity_live *live = find_live(round, device);

	if (live && !has_gone_over(daemon, live))
		look_after(daemon, live);
	else if (!is_new(daemon, device))
		collect_volume(daemon, device);
	return 0;
}

static void on_listed(void *context, int r, const struct identity_live *live, size_t n, const struct error *why)
{
	struct daemon *daemon = context;
	struct round round = { daemon, live, n };
	struct error err;

	daemon->collector.query = NULL;
	if (r < 0)
		log_debug("who has devices is not known now", "error", why->message);
	else if (volumes_each(daemon->volumes, visit, &round, &err) < 0)
		log_error("the volumes cannot be listed", "error", err.message);
	registry_tidy(daemon);
	uv_timer_start(&daemon->collector.timer, on_time, EVERY_MS, 0);
}

static void sweep(struct daemon *daemon)
{
	struct error err;

	if (volumes_sweep(daemon->volumes, &err) < 0)
		log_debug("an earlier version is still held open", "error", err.message);
}

static void on_time(uv_timer_t *timer)
{
	struct daemon *daemon = timer->data;
	struct error err;

	sweep(daemon);
	if (daemon->collector.query)
		return;
	daemon->collector.began_ms = uv_now(&daemon->loop);
	if (identity_list_live(daemon->identifier, on_listed, daemon, &daemon->collector.query, &err) == 0)
		return;
	log_error("cannot ask who has devices", "error", err.message);
	uv_timer_start(&daemon->collector.timer, on_time, EVERY_MS, 0);
}

void collect_soon(struct daemon *daemon)
{
	if (!daemon->collector.query && uv_timer_get_due_in(&daemon->collector.timer) > SOON_MS)
		uv_timer_start(&daemon->collector.timer, on_time, SOON_MS, 0);
}

void collect_start(struct daemon *daemon)
{
	uv_timer_init(&daemon->loop, &daemon->collector.timer);
	daemon->collector.timer.data = daemon;
	uv_timer_start(&daemon->collector.timer, on_time, 0, 0);
}

void collect_stop(struct daemon *daemon)
{
	if (daemon->collector.query)
		identity_cancel(TAKE_PTR(daemon->collector.query));
	uv_timer_stop(&daemon->collector.timer);
}
