// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>

#include "common/rpc/grpc_connection.h"
#include "common/rpc/unix_socket.h"

#define BACKLOG 16

struct member {
	struct grpc_connection connection;
	struct member *previous, *next;
};

struct grpc_server {
	uv_pipe_t pipe;
	struct grpc_service service;
	struct grpc_load *load;
	uid_t uid;
	struct member *members;
	size_t n_members;
	bool stopped, closed;
};

static void free_if_done(struct grpc_server *server)
{
	if (!server->closed || server->members)
		return;
	grpc_load_unref(server->load);
	free(server);
}

static void on_member_closed(struct grpc_connection *connection)
{
	struct grpc_server *server = connection->owner;
	struct member *member = (struct member *)connection;

	if (member->previous)
		member->previous->next = member->next;
	else
		server->members = member->next;
	if (member->next)
		member->next->previous = member->previous;
	server->n_members--;
	free(member);
	free_if_done(server);
}

static void on_connection(uv_stream_t *stream, int status)
{
	struct grpc_server *server = stream->data;
	struct member *member = status == 0 ? calloc(1, sizeof(*member)) : NULL;
	struct error err;

	if (!member)
		return;
	member->connection.owner = server;
	member->connection.on_closed = on_member_closed;
	member->next = server->members;
	if (member->next)
		member->next->previous = member;
	server->members = member;
	server->n_members++;
	int r = grpc_connection_init(&member->connection, stream->loop, &server->service, server->load, &err);
	if (uv_accept(stream, (uv_stream_t *)&member->connection.pipe) < 0 || r < 0 || server->n_members > GRPC_CONNECTIONS_MAX ||
	    !unix_socket_peer_is(&member->connection.pipe, server->uid))
		grpc_connection_close(&member->connection, NULL);
	else
		grpc_connection_begin(&member->connection);
}

static void on_closed(uv_handle_t *handle)
{
	struct grpc_server *server = handle->data;

	server->closed = true;
	free_if_done(server);
}

int grpc_server_start(uv_loop_t *loop, const char *path, uid_t uid, const struct grpc_service *service, struct grpc_server **ret,
		      struct error *err)
{
	struct grpc_server *server = calloc(1, sizeof(*server));

	if (!server)
		return error_nomem(err);
	server->load = grpc_load_new(GRPC_HANDLED_MAX, NULL);
	if (!server->load) {
		free(server);
		return error_nomem(err);
	}
	server->service = *service;
	server->uid = uid;
	uv_pipe_init(loop, &server->pipe, 0);
	server->pipe.data = server;
	int r = unix_socket_listen(&server->pipe, path, BACKLOG, on_connection, err);
	if (r < 0) {
		uv_close((uv_handle_t *)&server->pipe, on_closed);
		return r;
	}
	*ret = server;
	return 0;
}

void grpc_server_stop(struct grpc_server *server)
{
	if (!server || server->stopped)
		return;
	server->stopped = true;
	uv_close((uv_handle_t *)&server->pipe, on_closed); /* libuv removes the socket's file */
	for (struct member *member = server->members; member; member = member->next)
		grpc_connection_close(&member->connection, NULL);
}
