// SPDX-License-Identifier: Apache-2.0
/*
 * How a resource becomes known to kubelet, and how we notice that it is not any more.
 *
 *	            kubelet.sock appears, or the time has come
 *	WAITING ──────────► QUEUED ──────────► ASKING ──Register: OK──► ACCEPTED ──ListAndWatch──► REGISTERED
 *	   ▲                                     │ refused                 │ nothing comes            │ nobody watches
 *	   └───────────── back-off ──────────────┴─────────────────────────┴──────────────────────────┘
 *
 * kubelet dials back from within Register, so the socket is served before we ask, and made anew for each try: kubelet removes all sockets
 * of the directory when it starts, and whoever else has removed ours is made good here too. While kubelet watches, it keeps its connection
 * and needs no file.
 *
 * While kubelet is away one resource tries for all of them, and the others stay queued: each try makes a socket, and what two hundred do in
 * vain is missing when kubelet comes.
 *
 * That it watches is the only proof that it knows us. kubelet (1.36, runClient) disconnects whoever has the resource's name when an older
 * connection of that name ends: who registers again too soon may be accepted and cut off a moment later. Hence one watch at a time, the
 * back-off after it ends, and the limit on ACCEPTED, which grows, so that a kubelet that is merely slow is not cut off for ever.
 */
#include <stdio.h>

#include "common/base/log.h"
#include "device-plugin/plugin/internal.h"

#define REGISTER "/v1beta1.Registration/Register"
#define REQUEST_BYTES_MAX 4096
#define REGISTER_TIMEOUT_MS 15000 /* kubelet gives its own dialling 10 s */
#define STABLE_MS 10000           /* a watch that has lasted so long makes the next back-off begin anew */

/* Between kubelet's bind and its listen there is an instant; otherwise its coming wakes us, and tries in vain only take its CPU. */
static const struct backoff delays_after_arrival = { .first_ms = 2, .cap_ms = 10000 };
static const struct backoff delays = { .first_ms = 500, .cap_ms = 10000 };
static const struct backoff patience = { .first_ms = 2000, .cap_ms = 60000 }; /* with ACCEPTED */

const char *plugin_registration_name(enum plugin_registration registration)
{
	switch (registration) {
	case PLUGIN_WAITING:
		return "waiting";
	case PLUGIN_QUEUED:
		return "queued";
	case PLUGIN_ASKING:
		return "asking";
	case PLUGIN_ACCEPTED:
		return "accepted";
	case PLUGIN_REGISTERED:
		return "registered";
	}
	return "unknown";
}

static void time_has_come(uv_timer_t *timer);

/* A kubelet that is away is one event, however many resources wait for it. */
static void log_problem(struct resource *resource, const char *problem, bool away)
{
	struct plugin *plugin = resource->plugin;

	if (!away && strcmp(resource->problem, problem) != 0)
		log_warn("a resource is not registered with kubelet", "secret", resource->secret, "reason", problem);
	if (away && !plugin->away)
		log_warn("kubelet is away; resources will be registered when it is back", "reason", problem);
	plugin->away |= away;
	plugin->unreachable |= away;
}

static void wait_and_try_again(struct resource *resource, const char *problem, bool away)
{
	log_problem(resource, problem, away);
	resource->registration = PLUGIN_WAITING;
	snprintf(resource->problem, sizeof(resource->problem), "%s", problem);
	uv_timer_start(&resource->registration_timer, time_has_come, backoff_next_ms(&resource->delays, uv_hrtime()), 0);
}

static void log_registered(const struct plugin *plugin)
{
	for (size_t i = 0; i < plugin->n_resources; i++) {
		if (plugin->resources[i]->registration != PLUGIN_REGISTERED)
			return;
	}
	log_info("all resources are registered with kubelet", "resources", LOG_NUMBER(plugin->n_resources));
}

static void become_registered(struct resource *resource)
{
	resource->registration = PLUGIN_REGISTERED;
	resource->delays.first_ms = delays.first_ms;
	resource->problem[0] = 0;
	resource->plugin->away = false;
	log_registered(resource->plugin);
	uv_timer_start(&resource->registration_timer, time_has_come, STABLE_MS, 0);
}

void registration_watched(struct resource *resource)
{
	if (resource->registration == PLUGIN_ACCEPTED)
		become_registered(resource);
}

void registration_lost(struct resource *resource)
{
	if (resource->registration == PLUGIN_REGISTERED)
		wait_and_try_again(resource, "kubelet has ended the connection: it restarts, or has stopped", true);
}

/* ── One try ── */

static void register_ended(void *context, enum rpc_status status, const char *words)
{
	struct resource *resource = context;
	struct plugin *plugin = resource->plugin;
	char problem[PROBLEM_MAX];

	resource->asking = NULL;
	plugin->n_asking--;
	plugin->unreachable = status == RPC_UNAVAILABLE;
	if (status != RPC_OK) {
		snprintf(problem, sizeof(problem), "kubelet does not register it: %s (%s)", words, rpc_status_name(status));
		wait_and_try_again(resource, problem, status == RPC_UNAVAILABLE);
	} else {
		resource->n_registrations++;
		resource->registration = PLUGIN_ACCEPTED;
		uv_timer_start(&resource->registration_timer, time_has_come, backoff_next_ms(&resource->patience, uv_hrtime()), 0);
		if (resource->n_watchers > 0)
			become_registered(resource);
	}
	registration_pump(plugin);
}

static int ask(struct resource *resource, struct error *err)
{
	const struct grpc_receiver receiver = { .end = register_ended, .context = resource };
	_cleanup_(buf_free) struct buf endpoint = BUF_MAX(REQUEST_BYTES_MAX), message = BUF_MAX(REQUEST_BYTES_MAX);

	int r = resource_serve(resource, err);
	if (r < 0)
		return r;
	resource_print_endpoint(resource, &endpoint);
	r = offer_registration(&resource->offer, buf_text(&endpoint), &message, err);
	if (r < 0)
		return r;
	const struct grpc_request request = { REGISTER, buf_view(&message), false, REGISTER_TIMEOUT_MS };
	return grpc_client_call(resource->plugin->kubelet, &request, &receiver, &resource->asking, err);
}

static void ask_or_wait(struct resource *resource)
{
	struct error err;

	if (ask(resource, &err) < 0) {
		wait_and_try_again(resource, err.message, false);
		return;
	}
	resource->registration = PLUGIN_ASKING;
	resource->plugin->n_asking++;
}

static bool anybody_tries(const struct plugin *plugin)
{
	for (size_t i = 0; i < plugin->n_resources; i++) {
		enum plugin_registration registration = plugin->resources[i]->registration;
		if (registration == PLUGIN_ASKING || registration == PLUGIN_WAITING)
			return true;
	}
	return false;
}

static bool may_ask(const struct plugin *plugin)
{
	return plugin->unreachable ? !anybody_tries(plugin) : plugin->n_asking < PLUGIN_ASKING_MAX;
}

void registration_pump(struct plugin *plugin)
{
	for (size_t i = 0; i < plugin->n_resources && may_ask(plugin); i++) {
		if (plugin->resources[i]->registration == PLUGIN_QUEUED)
			ask_or_wait(plugin->resources[i]);
	}
}

/* ── When ── */

void registration_init(struct resource *resource)
{
	uv_timer_init(resource->plugin->loop, &resource->registration_timer);
	resource->registration_timer.data = resource;
}

void registration_stop(struct resource *resource)
{
	uv_timer_stop(&resource->registration_timer);
	if (resource->asking) {
		grpc_client_cancel(TAKE_PTR(resource->asking));
		resource->plugin->n_asking--;
	}
	resource->registration = PLUGIN_WAITING;
}

void registration_begin(struct resource *resource, bool arrived)
{
	registration_stop(resource);
	resource->delays = arrived ? delays_after_arrival : delays;
	resource->patience = patience;
	resource->registration = PLUGIN_QUEUED;
}

static void try_again(struct resource *resource)
{
	struct error err;

	if (arrival_follow(resource->plugin->arrival, &err) < 0) {
		wait_and_try_again(resource, err.message, false);
		return;
	}
	resource->registration = PLUGIN_QUEUED;
	if (may_ask(resource->plugin))
		ask_or_wait(resource);
}

static void time_has_come(uv_timer_t *timer)
{
	struct resource *resource = timer->data;

	switch (resource->registration) {
	case PLUGIN_WAITING:
		try_again(resource);
		break;
	case PLUGIN_ACCEPTED:
		wait_and_try_again(resource, "kubelet has accepted it and does not ask for its devices", false);
		break;
	case PLUGIN_REGISTERED:
		resource->delays = delays;
		resource->patience = patience;
		break;
	case PLUGIN_QUEUED:
	case PLUGIN_ASKING:
		break;
	}
}
