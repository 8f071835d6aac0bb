// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/plugin/plugin.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/un.h>

#include "common/base/array.h"
#include "common/base/log.h"
#include "device-plugin/plugin/internal.h"

#define SOCKET_NAME_BYTES (sizeof("/holdfast-12345678.sock") - 1)
#define PATH_BYTES_MAX 4096

void plugin_unref(struct plugin *plugin)
{
	if (--plugin->n_open > 0)
		return;
	if (plugin->closed)
		plugin->closed(plugin->closed_context);
	free(plugin->resources);
	free(plugin->directory);
	free(plugin->volumes);
	free(plugin);
}

/* ── kubelet comes and goes ── */

static int connect_to_kubelet(struct plugin *plugin, struct error *err)
{
	_cleanup_(buf_free) struct buf path = BUF_MAX(PATH_BYTES_MAX);
	struct grpc_client *client;

	buf_printf(&path, "%s/" ARRIVAL_SOCKET, plugin->directory);
	int r = buf_check(&path, "the path of kubelet's socket", err);
	if (r == 0)
		r = grpc_client_new(plugin->loop, buf_text(&path), &client, err);
	if (r < 0)
		return r;
	grpc_client_close(plugin->kubelet);
	plugin->kubelet = client;
	return 0;
}

/* Another kubelet has nothing to do with what the one before it knew: all connections go, also those that do not know it yet. */
static void kubelet_arrived(void *context)
{
	struct plugin *plugin = context;
	struct error err;

	log_info("kubelet has started", "resources", LOG_NUMBER(plugin->n_resources));
	plugin->unreachable = false;
	for (size_t i = 0; i < plugin->n_resources; i++)
		registration_begin(plugin->resources[i], true);
	if (connect_to_kubelet(plugin, &err) < 0)
		log_error("cannot make a new connection to kubelet", "reason", err.message);
	registration_pump(plugin);
}

static int set_up(struct plugin *plugin, const struct plugin_options *options, struct error *err)
{
	if (strlen(options->directory) + SOCKET_NAME_BYTES >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return error_set(err, ENAMETOOLONG, "%s is too long a path for sockets in it: at most %zu bytes", options->directory,
				 sizeof(((struct sockaddr_un *)0)->sun_path) - SOCKET_NAME_BYTES - 1);
	plugin->directory = strdup(options->directory);
	plugin->volumes = strdup(options->volumes);
	if (!plugin->directory || !plugin->volumes)
		return error_nomem(err);
	int r = connect_to_kubelet(plugin, err);
	return r < 0 ? r : arrival_start(plugin->loop, plugin->directory, kubelet_arrived, plugin, &plugin->arrival, err);
}

int plugin_new(uv_loop_t *loop, const struct plugin_options *options, struct plugin **ret, struct error *err)
{
	struct plugin *plugin = calloc(1, sizeof(*plugin));

	if (!plugin)
		return error_nomem(err);
	*plugin = (struct plugin){ .loop = loop, .handler = options->handler };
	plugin->uid = geteuid();
	plugin->n_open = 1;
	int r = set_up(plugin, options, err);
	if (r < 0) {
		grpc_client_close(plugin->kubelet);
		plugin_unref(plugin);
		return r;
	}
	*ret = plugin;
	return 0;
}

static void arrival_closed(void *context)
{
	plugin_unref(context);
}

void plugin_stop(struct plugin *plugin, void (*closed)(void *context), void *context)
{
	if (!plugin)
		return;
	plugin->closed = closed;
	plugin->closed_context = context;
	for (size_t i = 0; i < plugin->n_resources; i++)
		resource_close(plugin->resources[i]);
	plugin->n_resources = 0;
	grpc_client_close(plugin->kubelet);
	arrival_stop(plugin->arrival, arrival_closed);
}

/* ── What is offered ── */

static struct resource **find(struct plugin *plugin, const char *secret)
{
	for (size_t i = 0; i < plugin->n_resources; i++) {
		if (strcmp(plugin->resources[i]->secret, secret) == 0)
			return &plugin->resources[i];
	}
	return NULL;
}

static int check_new(const struct plugin *plugin, const char *secret, struct error *err)
{
	struct device_hash hash;

	int r = strcmp(secret, PLUGIN_GENERAL) == 0 ? 0 : device_check_secret(secret, err);
	if (r == 0)
		r = device_hash(secret, &hash, err);
	for (size_t i = 0; i < plugin->n_resources && r == 0; i++) {
		const struct resource *other = plugin->resources[i];
		if (strcmp(other->offer.hash.text, hash.text) == 0)
			r = error_set(err, EEXIST, "secret \"%s\" would have the devices of secret \"%s\" (%s): seal it under another name",
				      secret, other->secret, hash.text);
	}
	return r;
}

static int add(struct plugin *plugin, const char *secret, unsigned slots, struct error *err)
{
	struct resource *resource;

	int r = check_new(plugin, secret, err);
	if (r < 0)
		return r;
	if (!array_room((void **)&plugin->resources, plugin->n_resources, &plugin->capacity, sizeof(struct resource *)))
		return error_nomem(err);
	r = resource_new(plugin, secret, slots, &resource, err);
	if (r < 0)
		return r;
	plugin->resources[plugin->n_resources++] = resource;
	registration_begin(resource, false);
	registration_pump(plugin);
	return 0;
}

int plugin_offer(struct plugin *plugin, const char *secret, unsigned slots, struct error *err)
{
	struct resource **resource = find(plugin, secret);

	if (!resource)
		return add(plugin, secret, slots, err);
	if (slots == (*resource)->offer.slots)
		return 0;
	int r = offer_set_slots(&(*resource)->offer, slots, err);
	if (r == 0)
		resource_publish(*resource);
	return r;
}

void plugin_set_health(struct plugin *plugin, const char *secret, bool healthy)
{
	struct resource **resource = find(plugin, secret);

	if (resource)
		resource_set_health(*resource, healthy);
}

void plugin_withdraw(struct plugin *plugin, const char *secret)
{
	struct resource **resource = find(plugin, secret);

	if (!resource)
		return;
	resource_close(*resource);
	size_t after = plugin->n_resources - (size_t)(resource - plugin->resources) - 1;
	memmove(resource, resource + 1, after * sizeof(struct resource *));
	plugin->n_resources--;
	registration_pump(plugin);
}

void plugin_status(const struct plugin *plugin, void (*each)(void *context, const struct plugin_resource *resource), void *context)
{
	for (size_t i = 0; i < plugin->n_resources; i++) {
		const struct resource *resource = plugin->resources[i];

		each(context, &(struct plugin_resource){
				      .secret = resource->secret,
				      .slots = resource->offer.slots,
				      .healthy = resource->offer.healthy,
				      .registration = resource->registration,
				      .problem = resource->problem,
				      .n_registrations = resource->n_registrations,
				      .n_allocations = resource->n_allocations,
				      .n_starts = resource->n_starts,
				      .n_refused = resource->n_refused,
			      });
	}
}
