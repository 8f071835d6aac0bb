// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_RPC_TTRPC_CONNECTION_H
#define HOLDFAST_RPC_TTRPC_CONNECTION_H

#include "common/rpc/ttrpc_session.h"

/* A session on a libuv pipe: what comes is fed, what there is to send is written. For ttrpc_server.c and ttrpc_client.c. */
struct ttrpc_connection {
	uv_pipe_t pipe; /* initialised by ttrpc_connection_init; accept or connect it, then ttrpc_connection_begin */
	uv_timer_t timer;
	struct ttrpc_session *session;
	/* Called once, when the handles are closed and the session freed: the owner frees the memory. */
	void (*on_closed)(struct ttrpc_connection *connection);
	void *owner;

	uv_write_t write;
	char *read;        /* NULL: all of it is fed */
	struct slice rest; /* of read */
	uint64_t timer_ms; /* when it goes off; UINT64_MAX: it does not */
	unsigned open_handles;
	bool begun, writing, closing;
	bool paused; /* the peer does not take its answers: nothing is read */
	struct error why;
};

/* After an error it must be closed as well. */
int ttrpc_connection_init(struct ttrpc_connection *connection, uv_loop_t *loop, const struct ttrpc_services *services,
			  struct rpc_load *load, struct error *err) must_check;
void ttrpc_connection_begin(struct ttrpc_connection *connection);
/* `why` is what calls that are not over end with (ttrpc_session_free); NULL: what is queued is sent, as far as it can be at once. */
void ttrpc_connection_close(struct ttrpc_connection *connection, const struct error *why);

#endif
