// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_RPC_SERVER_H
#define HOLDFAST_RPC_SERVER_H

#include <uv.h>

#include "common/base/cleanup.h"
#include "common/rpc/load.h"
#include "common/rpc/unix_socket.h"

/*
 * What the servers of gRPC and of ttrpc have in common: a socket, the connections that are open, and memory that is freed when both have
 * come to an end. Each of theirs begins with one of these.
 */

struct rpc_member {
	struct rpc_server *server;
	struct rpc_member *previous, *next;
};

struct rpc_server {
	uv_loop_t *loop;
	struct rpc_load *load;
	struct unix_listener *listener; /* NULL: connections are given to it */
	struct rpc_member *members;
	size_t n_members;
	bool stopped, closed;
};

/* `size` zeroed bytes that begin with a server, which handles at most `handled_max` calls at a time. NULL: no memory. */
void *rpc_server_new(size_t size, uv_loop_t *loop, size_t handled_max) must_check;

/* For one that listens on nothing and has no member. Accepts NULL. */
void rpc_server_free(struct rpc_server *server);
DEFINE_CLEANUP(struct rpc_server *, rpc_server_free);

/* `accepted` gets the server and a descriptor, which is its own from then on. Errors of unix_listener_start. */
int rpc_server_listen(struct rpc_server *server, const char *path, uid_t uid, int backlog, void (*accepted)(void *server, int fd),
		      struct error *err) must_check;

/* `close` is called for each member; the server is freed when the last of them is, and the listener has stopped. Again is no harm; NULL too. */
void rpc_server_stop(struct rpc_server *server, void (*close)(struct rpc_member *member));

/* `size` zeroed bytes that begin with a member of the server. NULL: no memory. */
void *rpc_member_new(size_t size, struct rpc_server *server) must_check;
void rpc_member_free(struct rpc_member *member);

#endif
