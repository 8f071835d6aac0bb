// SPDX-License-Identifier: Apache-2.0
/*
 * What kubelet calls on a resource's socket. Allocate runs inside kubelet's admission and has no deadline: it is answered at once from what
 * we know, and everything that takes time or may fail is left to PreStartContainer, which is asked again before every start.
 */
#include <errno.h>
#include <stdlib.h>

#include "common/base/array.h"
#include "device-plugin/plugin/internal.h"

#define ANSWER_BYTES_MAX (1024 * 1024)

static void answer(struct grpc_call *call, int r, const struct buf *message, const struct error *err)
{
	if (r < 0)
		grpc_call_fail(call, err);
	else
		grpc_call_answer(call, buf_view(message));
}

static void handle_options(void *context, struct grpc_call *call, struct slice request)
{
	_cleanup_(buf_free) struct buf message = BUF_MAX(ANSWER_BYTES_MAX);
	struct error err;

	answer(call, offer_options(&message, &err), &message, &err);
}

static void handle_list_and_watch(void *context, struct grpc_call *call, struct slice request)
{
	resource_add_watcher(context, call);
}

static void handle_preferred(void *context, struct grpc_call *call, struct slice request)
{
	const struct resource *resource = context;
	_cleanup_(buf_free) struct buf message = BUF_MAX(ANSWER_BYTES_MAX);
	struct error err;

	answer(call, offer_preferred(&resource->offer, request, &message, &err), &message, &err);
}

static void on_allocated(void *context, const char *device)
{
	const struct plugin_handler *handler = &((struct resource *)context)->plugin->handler;

	if (handler->allocated)
		handler->allocated(handler->context, device);
}

static void handle_allocate(void *context, struct grpc_call *call, struct slice request)
{
	struct resource *resource = context;
	_cleanup_(buf_free) struct buf message = BUF_MAX(ANSWER_BYTES_MAX);
	struct error err;

	resource->n_allocations++;
	resource->offer.allocated = on_allocated;
	resource->offer.context = resource;
	answer(call, offer_allocate(&resource->offer, request, &message, &err), &message, &err);
}

/* ── A container starts ── */

struct plugin_start {
	struct resource *resource;
	struct device_id device;
	struct grpc_call *call;
	bool gone;
};

static void start_gone(void *context, struct grpc_call *call)
{
	struct plugin_start *start = context;

	start->gone = true;
}

static int new_start(struct resource *resource, struct grpc_call *call, struct slice request, struct plugin_start **ret, struct error *err)
{
	struct device_id device;

	int r = offer_read_start(&resource->offer, request, &device, err);
	if (r < 0)
		return r;
	struct plugin_start *start = malloc(sizeof(*start));
	if (!start)
		return error_nomem(err);
	*start = (struct plugin_start){ .resource = resource, .device = device, .call = call };
	resource->references++;
	grpc_call_on_gone(call, start_gone, start);
	*ret = start;
	return 0;
}

static void handle_start(void *context, struct grpc_call *call, struct slice request)
{
	struct resource *resource = context;
	const struct plugin_handler *handler = &resource->plugin->handler;
	struct plugin_start *start;
	struct error err;

	resource->n_starts++;
	if (new_start(resource, call, request, &start, &err) == 0) {
		handler->start(handler->context, start);
		return;
	}
	resource->n_refused++;
	grpc_call_fail(call, &err);
}

const char *plugin_start_secret(const struct plugin_start *start)
{
	return start->resource->secret;
}

const char *plugin_start_device(const struct plugin_start *start)
{
	return start->device.text;
}

bool plugin_start_is_gone(const struct plugin_start *start)
{
	return start->gone;
}

void plugin_start_answer(struct plugin_start *start, int r, const struct error *err)
{
	start->resource->n_refused += r < 0;
	if (r < 0)
		grpc_call_fail(start->call, err);
	else
		grpc_call_answer(start->call, (struct slice){ 0 });
	resource_unref(start->resource);
	free(start);
}

static const struct grpc_method methods[] = {
	{ "/v1beta1.DevicePlugin/GetDevicePluginOptions", handle_options },
	{ "/v1beta1.DevicePlugin/ListAndWatch", handle_list_and_watch },
	{ "/v1beta1.DevicePlugin/GetPreferredAllocation", handle_preferred },
	{ "/v1beta1.DevicePlugin/Allocate", handle_allocate },
	{ "/v1beta1.DevicePlugin/PreStartContainer", handle_start },
};

struct grpc_service resource_service(struct resource *resource)
{
	return (struct grpc_service){ methods, ELEMENTS_OF(methods), resource };
}
