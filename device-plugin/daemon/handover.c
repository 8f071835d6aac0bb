// SPDX-License-Identifier: Apache-2.0
/*
 *	start, or again ──► whose device? ──► which secrets? allowed? ──► for each: key from the TPM, open ──► write ──► answer
 *	                    identity_find     (envelopes as they are,      keys_get                                   ▲
 *	                                       not yet authenticated)      the key authenticates the rules that     │
 *	                                                      │            were checked                             │
 *	                                                      └──► who the pod is, to disk: kube_snapshot_save ─────┘
 *
 * A daemon that is killed right after the answer, and started where no API server is, must know the pod whose container starts again. Where
 * the disk cannot be written, the pod starts nevertheless.
 *
 * kubelet gives up after 30 s. Before that it is told what we wait for, and the handover goes on by itself: when kubelet asks again, the
 * volume is there. A second start of the same device replaces the first, since the device may have another pod by then; if it has not, what
 * the first one had opened is taken over, so that a pod with many secrets gets on with each try, however slow the TPM is.
 */
#include "device-plugin/daemon/handover.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"

#define PATIENCE_MS 25000 /* kubelet's own is 30 s (KubeletPreStartContainerRPCTimeoutInSecs) */

static void patience_closed(uv_handle_t *handle)
{
	struct handover *handover = handle->data;

	free(handover->resource);
	free(handover->device);
	free(handover);
}

/* Nothing comes to it any more, and nobody finds it. */
static void stop(struct handover *handover)
{
	struct handover **at;

	for (at = &handover->daemon->handovers; *at && *at != handover; at = &(*at)->next)
		;
	if (*at)
		*at = handover->next;
	if (handover->query)
		identity_cancel(TAKE_PTR(handover->query));
	keys_cancel(&handover->key);
	if (handover->is_saving)
		kube_snapshot_cancel(handover->daemon->snapshot, &handover->saving);
	handover->is_saving = false;
	uv_timer_stop(&handover->patience);
}

void handover_free(struct handover *handover)
{
	stop(handover);
	if (handover->former)
		handover_free(handover->former);
	parts_clear(handover);
	identity_free(handover->identity);
	uv_close((uv_handle_t *)&handover->patience, patience_closed);
}

/* ── steps ── */

static int deliver(struct handover *handover, struct error *err)
{
	const struct identity *identity = handover->identity;
	const struct delivery_owner owner = { identity->namespace, identity->name, identity->uid, identity->container };
	struct daemon *daemon = handover->daemon;
	struct sealed *parts[HANDOVER_PARTS_MAX];

	/* First, so that an earlier version cannot come after this one, whatever happens now. */
	for (size_t i = 0; i < handover->n_parts; i++) {
		parts[i] = handover->parts[i].sealed;
		registry_opened(daemon, parts[i]);
	}
	int r = parts_write(handover, err);
	if (r < 0)
		return r;
	r = deliveries_put(&daemon->deliveries, handover->device, handover->resource, &owner, parts, handover->n_parts,
			   uv_now(&daemon->loop), err);
	metrics_note_time(&daemon->counters.delivery_time, uv_now(&daemon->loop) - handover->unsealed_ms);
	return r;
}

static void conclude(struct handover *handover)
{
	handover->delivered = true;
	parts_clear(handover);
	if (!handover->is_saving)
		handover_succeed(handover);
}

static void on_saved(struct kube_snapshot_wait *wait)
{
	struct handover *handover = (struct handover *)((char *)wait - offsetof(struct handover, saving));

	handover->is_saving = false;
	if (handover->delivered)
		conclude(handover);
}

/* While the TPM is asked. */
static void save(struct handover *handover)
{
	struct kube_snapshot *snapshot = handover->daemon->snapshot;

	handover->saving.over = on_saved;
	handover->is_saving = handover->start && snapshot && kube_snapshot_save(snapshot, &handover->saving);
}

static void finish(struct handover *handover)
{
	struct error err;

	uv_update_time(&handover->daemon->loop);
	handover->unsealed_ms = uv_now(&handover->daemon->loop);
	if (deliver(handover, &err) < 0)
		handover_refuse(handover, &err);
	else
		conclude(handover);
}

static void next_key(struct handover *handover)
{
	while (handover->n_open < handover->n_parts && handover->parts[handover->n_open].content.p)
		handover->n_open++;
	if (handover->n_open == handover->n_parts)
		finish(handover);
	else
		keys_get(handover->daemon->keys, handover->parts[handover->n_open].sealed, &handover->key);
}

static void on_key(struct key_wait *wait, int r, const uint8_t *key, const struct error *why)
{
	struct handover *handover = (struct handover *)((char *)wait - offsetof(struct handover, key));
	struct part *part = &handover->parts[handover->n_open];
	struct error err;

	if (r < 0) {
		handover_refuse(handover, why);
		return;
	}
	if (envelope_open(part->sealed->envelope, key, &part->content, &err) < 0) {
		handover_refuse(handover, &err);
		return;
	}
	handover->n_open++;
	next_key(handover);
}

static int judge(struct handover *handover, struct error *err)
{
	int r = parts_choose(handover, err);

	return r < 0 ? r : parts_check(handover, err);
}

static void take_over_and_open(struct handover *handover)
{
	struct handover *former = handover->former;

	if (former && former->identity && strcmp(former->identity->uid, handover->identity->uid) == 0 && !handover->anew)
		parts_take_over(handover, former);
	if (former)
		handover_free(TAKE_PTR(handover->former));
	next_key(handover);
}

/* Also if this pod is refused: kubelet may start its container without asking again, and must then mount nothing of another's. */
static void clear_former(const struct handover *handover)
{
	const struct delivery *delivery = deliveries_find(&handover->daemon->deliveries, handover->device);

	if (delivery && !delivery_is_of(delivery, handover->identity->uid))
		collect_volume(handover->daemon, handover->device);
}

static void go_on(struct handover *handover)
{
	save(handover);
	if (!handover->anew && parts_are_there(handover))
		conclude(handover);
	else
		take_over_and_open(handover);
}

static void on_identity(void *context, int r, struct identity *identity, const struct error *why)
{
	struct handover *handover = context;
	struct daemon *daemon = handover->daemon;
	struct error err;

	handover->query = NULL;
	handover->identity = identity;
	handover->identified_ms = uv_now(&daemon->loop);
	metrics_note_time(&daemon->counters.identity_time, handover->identified_ms - handover->began_ms);
	if (r == 0)
		clear_former(handover);
	if (r < 0)
		handover_refuse(handover, why);
	else if (judge(handover, &err) < 0)
		handover_refuse(handover, &err);
	else
		go_on(handover);
}

static void on_patience_over(uv_timer_t *timer)
{
	struct handover *handover = timer->data;
	struct error err;

	if (!handover->start)
		return;
	if (handover->delivered)
		error_set(&err, ETIMEDOUT, "the disk of node \"%s\" has been writing %s for %d s now; kubelet will ask again",
			  handover->daemon->settings.node_name, handover->daemon->snapshot_path, PATIENCE_MS / 1000);
	else
		error_set(&err, ETIMEDOUT, "the TPM of node \"%s\" is at it for %d s now, with %zu more waiting; kubelet will ask again",
			  handover->daemon->settings.node_name, PATIENCE_MS / 1000, tpm_worker_queue_length(handover->daemon->worker));
	handover_note_refusal(handover, &err);
	handover_answer(handover, -err.code, &err);
}

/* ── the beginning ── */

static struct handover *find(const struct daemon *daemon, const char *device)
{
	for (struct handover *at = daemon->handovers; at; at = at->next) {
		if (strcmp(at->device, device) == 0)
			return at;
	}
	return NULL;
}

bool handover_is_under_way(const struct daemon *daemon, const char *device)
{
	return find(daemon, device);
}

static void give_up(struct handover *handover, const char *why)
{
	struct error err;

	error_set(&err, ECANCELED, "%s", why);
	handover_answer(handover, -err.code, &err);
	handover_free(handover);
}

/* What is of use to the one that replaces it. */
static struct handover *supersede(struct handover *handover)
{
	struct handover *former = handover;
	struct error err;

	error_set(&err, ECANCELED, "kubelet has asked again");
	handover_answer(handover, -err.code, &err);
	stop(handover);
	if (!handover->identity && handover->former) { /* it has not come to look what that had */
		former = TAKE_PTR(handover->former);
		handover_free(handover);
	}
	return former;
}

static struct handover *handover_new(struct daemon *daemon, const char *resource, const char *device)
{
	struct handover *handover = calloc(1, sizeof(*handover));

	if (!handover)
		return NULL;
	*handover = (struct handover){
		.daemon = daemon,
		.resource = strdup(resource),
		.device = strdup(device),
		.key = { .got = on_key },
		.began_ms = uv_now(&daemon->loop),
	};
	if (!handover->resource || !handover->device) {
		free(handover->resource);
		free(handover->device);
		free(handover);
		return NULL;
	}
	uv_timer_init(&daemon->loop, &handover->patience);
	handover->patience.data = handover;
	handover->next = daemon->handovers;
	daemon->handovers = handover;
	return handover;
}

static int begin_handover(struct daemon *daemon, const char *secret, const char *device, struct handover **ret, struct error *err)
{
	_cleanup_(buf_free) struct buf resource = BUF_MAX(512);
	struct handover *before = find(daemon, device);

	device_print_resource(secret, &resource);
	int r = buf_check(&resource, "the resource's name", err);
	if (r < 0)
		return r;
	struct handover *handover = handover_new(daemon, secret, device);
	if (!handover)
		return error_nomem(err);
	if (before)
		handover->former = supersede(before);
	r = identity_find(daemon->identifier, buf_text(&resource), device, on_identity, handover, &handover->query, err);
	if (r < 0)
		handover_free(handover);
	else
		*ret = handover;
	return r;
}

/* Who waits for the handover that is replaced waits for this one from now on. */
static int begin(struct daemon *daemon, const char *secret, const char *device, struct handover **ret, struct error *err)
{
	int r = begin_handover(daemon, secret, device, ret, err);

	if (r < 0)
		rotation_note(daemon, device, err);
	return r;
}

void handover_start(void *context, struct plugin_start *start)
{
	struct daemon *daemon = context;
	struct handover *handover;
	struct error err;

	daemon->counters.starts++;
	uv_update_time(&daemon->loop);
	int r = begin(daemon, plugin_start_secret(start), plugin_start_device(start), &handover, &err);
	if (r < 0) {
		plugin_start_answer(start, r, &err);
		return;
	}
	handover->start = start;
	uv_timer_start(&handover->patience, on_patience_over, PATIENCE_MS, 0);
}

/* Before kubelet hears that the device is free, so before the pod that gets it can look. */
void handover_allocated(void *context, const char *device)
{
	struct daemon *daemon = context;
	struct handover *before = find(daemon, device);

	if (before)
		give_up(before, "the device is another pod's now");
	collect_volume(daemon, device);
}

void handover_again(struct daemon *daemon, const struct delivery *delivery)
{
	struct handover *handover = find(daemon, delivery->device);
	struct error err;

	if (handover && handover->start)
		return; /* it has looked, or will look, at what there is now, and rotate_changed comes again if not */
	if (begin(daemon, delivery->resource, delivery->device, &handover, &err) < 0)
		log_error("a pod cannot be given the secret's new version", "device", delivery->device, "error", err.message);
	else
		handover->again = true;
}

int handover_anew(struct daemon *daemon, const struct delivery *delivery, struct error *err)
{
	struct handover *handover = find(daemon, delivery->device);

	if (handover && handover->start)
		return 0; /* the container that starts gets it from the TPM anyway */
	int r = begin(daemon, delivery->resource, delivery->device, &handover, err);
	if (r == 0)
		handover->again = handover->anew = true;
	return r;
}

void handover_cancel_all(struct daemon *daemon)
{
	struct error err;

	error_set(&err, ECANCELED, "holdfast-tpm is ending; kubelet will ask again");
	while (daemon->handovers) {
		rotation_note(daemon, daemon->handovers->device, &err);
		give_up(daemon->handovers, err.message);
	}
}
