// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>

#include "common/base/log.h"
#include "device-plugin/plugin/internal.h"

#define LIST_BYTES_MAX (DEVICE_SLOTS_MAX * 64)
#define PATH_BYTES_MAX 4096

static void free_resource(struct resource *resource)
{
	free(resource->offer.given);
	free(resource->secret);
	free(resource);
}

void resource_unref(struct resource *resource)
{
	struct plugin *plugin = resource->plugin;

	if (--resource->references > 0)
		return;
	free_resource(resource);
	plugin_unref(plugin);
}

static int name_offer(struct resource *resource, const char *secret, unsigned slots, struct error *err)
{
	resource->secret = strdup(secret);
	if (!resource->secret)
		return error_nomem(err);
	resource->offer = (struct offer){ .secret = resource->secret, .volumes = resource->plugin->volumes, .healthy = true };
	int r = device_hash(secret, &resource->offer.hash, err);
	return r < 0 ? r : offer_set_slots(&resource->offer, slots, err);
}

int resource_new(struct plugin *plugin, const char *secret, unsigned slots, struct resource **ret, struct error *err)
{
	struct resource *resource = calloc(1, sizeof(*resource));

	if (!resource)
		return error_nomem(err);
	resource->plugin = plugin;
	int r = name_offer(resource, secret, slots, err);
	if (r < 0) {
		free_resource(resource);
		return r;
	}
	resource->references = 1;
	plugin->n_open++;
	registration_init(resource);
	*ret = resource;
	return 0;
}

/* ── The socket ── */

void resource_print_endpoint(const struct resource *resource, struct buf *out)
{
	buf_printf(out, "holdfast-%s.sock", resource->offer.hash.text);
}

/* Those who watch are told to go, so that nothing of an old connection comes back to the resource; starts live on their own. */
static void stop_serving(struct resource *resource)
{
	while (resource->n_watchers > 0)
		grpc_call_finish(resource->watchers[--resource->n_watchers], RPC_UNAVAILABLE, "the socket is closed or made anew");
	grpc_server_stop(TAKE_PTR(resource->server));
}

int resource_serve(struct resource *resource, struct error *err)
{
	const struct grpc_service service = resource_service(resource);
	_cleanup_(buf_free) struct buf path = BUF_MAX(PATH_BYTES_MAX);

	stop_serving(resource);
	buf_printf(&path, "%s/", resource->plugin->directory);
	resource_print_endpoint(resource, &path);
	int r = buf_check(&path, "the socket's path", err);
	if (r < 0)
		return r;
	return grpc_server_start(resource->plugin->loop, buf_text(&path), resource->plugin->uid, &service, &resource->server, err);
}

static void timer_closed(uv_handle_t *handle)
{
	resource_unref(handle->data);
}

void resource_close(struct resource *resource)
{
	registration_stop(resource);
	stop_serving(resource);
	uv_close((uv_handle_t *)&resource->registration_timer, timer_closed);
}

/* ── Who watches the list ── */

static void remove_watcher(struct resource *resource, const struct grpc_call *call)
{
	for (size_t i = 0; i < resource->n_watchers; i++) {
		if (resource->watchers[i] == call)
			resource->watchers[i] = resource->watchers[--resource->n_watchers];
	}
}

static void watcher_gone(void *context, struct grpc_call *call)
{
	struct resource *resource = context;

	remove_watcher(resource, call);
	grpc_call_finish(call, RPC_CANCELLED, NULL);
	if (resource->n_watchers == 0)
		registration_lost(resource);
}

static int send_list(struct resource *resource, struct grpc_call **watchers, size_t n, struct error *err)
{
	_cleanup_(buf_free) struct buf list = BUF_MAX(LIST_BYTES_MAX);

	int r = offer_list(&resource->offer, &list, err);
	/* From the last to the first: a watcher that takes nothing goes from within grpc_call_send. */
	for (size_t i = n; i > 0 && r == 0; i--)
		grpc_call_send(watchers[i - 1], buf_view(&list));
	return r;
}

/* Without memory for the new list nobody must keep the old one: all are dropped, and kubelet is asked to come again. */
static void send_list_or_drop(struct resource *resource, struct grpc_call **watchers, size_t n)
{
	struct error err;

	if (send_list(resource, watchers, n, &err) == 0)
		return;
	log_error("cannot send the list of devices", "secret", resource->secret, "reason", err.message);
	stop_serving(resource);
	registration_lost(resource);
}

void resource_add_watcher(struct resource *resource, struct grpc_call *call)
{
	if (resource->n_watchers == WATCHERS_MAX) {
		grpc_call_finish(call, RPC_RESOURCE_EXHAUSTED, "too many watch this list already");
		return;
	}
	resource->watchers[resource->n_watchers++] = call;
	grpc_call_on_gone(call, watcher_gone, resource);
	registration_watched(resource);
	send_list_or_drop(resource, &call, 1);
}

void resource_publish(struct resource *resource)
{
	if (resource->n_watchers > 0)
		send_list_or_drop(resource, resource->watchers, resource->n_watchers);
}

void resource_set_health(struct resource *resource, bool healthy)
{
	if (healthy == resource->offer.healthy)
		return;
	resource->offer.healthy = healthy;
	resource_publish(resource);
}
