// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_AGENT_SERVER_H
#define HOLDFAST_AGENT_SERVER_H

#include <uv.h>

#include "cni-plugin/plugin/wire.h"

/*
 * The agent's unix socket: root only (mode 0600, and SO_PEERCRED is asked), at most SERVER_CALLS_MAX at a time, each with a time
 * limit for sending its request and for taking its answer. One connection carries one call.
 */
struct server;
struct server_call;

#define SERVER_CALLS_MAX 64
#define SERVER_SEND_TIMEOUT_MS 5000  /* the peer's, for its request */
#define SERVER_TAKE_TIMEOUT_MS 30000 /* the peer's, for our answer */

struct server_handler {
	/* Must end in exactly one server_answer, at once or later. A peer that went away in between does no harm. */
	void (*handle)(void *context, struct server_call *call);
	/* A call that does not come to be handled; the peer is told why (WIRE_REFUSED). */
	void (*refused)(void *context, const struct error *why);
	void *context;
};

/* Takes the path over: the caller has made sure that no other agent serves it. */
int server_start(uv_loop_t *loop, const char *path, const struct server_handler *handler, struct server **ret,
		 struct error *err) must_check;

/* Removes the socket and ends every call. It is freed from the loop, which must run until then. Accepts NULL. */
void server_stop(struct server *server);

const struct wire_request *server_request(const struct server_call *call);
void server_answer(struct server_call *call, uint32_t exit_code, struct slice output);

#endif
