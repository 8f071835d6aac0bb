// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_RPC_GRPC_CONNECTION_H
#define HOLDFAST_RPC_GRPC_CONNECTION_H

#include "common/rpc/grpc_session.h"

/* A session on a libuv pipe: what comes is fed, what there is to send is written. For grpc_server.c and grpc_client.c. */
struct grpc_connection {
	uv_pipe_t pipe; /* initialised by grpc_connection_init; accept or connect it, then grpc_connection_begin */
	struct grpc_session *session;
	/* Called once, when the handle is closed and the session freed: the owner frees the memory. */
	void (*on_closed)(struct grpc_connection *connection);
	void *owner;

	uv_write_t write;
	struct buf sending;
	bool begun, writing, closing;
	struct error why;
};

int grpc_connection_init(struct grpc_connection *connection, uv_loop_t *loop, const struct grpc_service *service, struct rpc_load *load,
			 struct error *err) must_check;
void grpc_connection_begin(struct grpc_connection *connection);
/* `why` is what calls that are not over end with (grpc_session_free). Again is no harm. */
void grpc_connection_close(struct grpc_connection *connection, const struct error *why);

#endif
