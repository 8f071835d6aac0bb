// SPDX-License-Identifier: Apache-2.0
#include "common/base/array.h"
#include "kata-shim/guest/agent.h"
#include "kata-shim/guest/network.h"

#include <errno.h>

/* What Kata's runtime expects as the answer: what it asked for. */

static void handle_interface(void *context, struct ttrpc_call *call, struct slice request)
{
	_cleanup_(message_freep) Agent__UpdateInterfaceRequest *message = NULL;
	struct error err;

	int r = message_read(&agent__update_interface_request__descriptor, request, &message, &err);
	if (r == 0 && !message->interface)
		r = error_set(&err, EINVAL, "UpdateInterface: there is no interface");
	if (r == 0)
		r = network_set_interface(message->interface, &err);
	if (r < 0)
		ttrpc_call_fail(call, &err);
	else
		agent_answer(call, &message->interface->base);
}

static void handle_routes(void *context, struct ttrpc_call *call, struct slice request)
{
	_cleanup_(message_freep) Agent__UpdateRoutesRequest *message = NULL;
	struct error err;

	int r = message_read(&agent__update_routes_request__descriptor, request, &message, &err);
	if (r == 0 && !message->routes)
		r = error_set(&err, EINVAL, "UpdateRoutes: there are no routes");
	if (r == 0)
		r = network_set_routes(message->routes, &err);
	if (r < 0)
		ttrpc_call_fail(call, &err);
	else
		agent_answer(call, &message->routes->base);
}

static void handle_neighbors(void *context, struct ttrpc_call *call, struct slice request)
{
	_cleanup_(message_freep) Agent__AddARPNeighborsRequest *message = NULL;
	struct error err;

	int r = message_read(&agent__add_arpneighbors_request__descriptor, request, &message, &err);
	if (r == 0 && message->neighbors)
		r = network_set_neighbors(message->neighbors, &err);
	agent_answer_empty(call, r, &err);
}

static const struct ttrpc_method rows[] = {
	{ "UpdateInterface", handle_interface },
	{ "UpdateRoutes", handle_routes },
	{ "AddARPNeighbors", handle_neighbors },
};
const struct method_rows network_methods = { rows, ELEMENTS_OF(rows) };
