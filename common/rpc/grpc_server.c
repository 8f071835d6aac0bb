// SPDX-License-Identifier: Apache-2.0
#include "common/rpc/grpc_connection.h"
#include "common/rpc/server.h"

#define BACKLOG 16

struct grpc_server {
	struct rpc_server base;
	struct grpc_service service;
};

struct member {
	struct rpc_member base;
	struct grpc_connection connection;
};

static void on_member_closed(struct grpc_connection *connection)
{
	rpc_member_free(connection->owner);
}

static void close_member(struct rpc_member *member)
{
	grpc_connection_close(&((struct member *)member)->connection, NULL);
}

static void on_connection(void *context, int fd)
{
	struct grpc_server *server = context;
	_cleanup_close_ int owned = fd;
	struct member *member = rpc_member_new(sizeof(*member), &server->base);
	struct error err;

	if (!member)
		return; /* the peer sees the end, and may try again */
	member->connection.owner = member;
	member->connection.on_closed = on_member_closed;
	int r = grpc_connection_init(&member->connection, server->base.loop, &server->service, server->base.load, &err);
	if (r < 0 || server->base.n_members > GRPC_CONNECTIONS_MAX || uv_pipe_open(&member->connection.pipe, fd) < 0) {
		close_member(&member->base);
		return;
	}
	(void)TAKE_FD(owned); /* the pipe's */
	grpc_connection_begin(&member->connection);
}

int grpc_server_start(uv_loop_t *loop, const char *path, uid_t uid, const struct grpc_service *service, struct grpc_server **ret,
		      struct error *err)
{
	struct grpc_server *server = rpc_server_new(sizeof(*server), loop, GRPC_HANDLED_MAX);

	if (!server)
		return error_nomem(err);
	server->service = *service;
	int r = rpc_server_listen(&server->base, path, uid, BACKLOG, on_connection, err);
	if (r == 0)
		*ret = server;
	else
		rpc_server_free(&server->base);
	return r;
}

void grpc_server_stop(struct grpc_server *server)
{
	rpc_server_stop(server ? &server->base : NULL, close_member);
}
