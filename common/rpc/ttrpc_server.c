// SPDX-License-Identifier: Apache-2.0
#include <errno.h>

#include "common/rpc/server.h"
#include "common/rpc/ttrpc_connection.h"

#define BACKLOG 64

struct ttrpc_server {
	struct rpc_server base;
	struct ttrpc_services services;
};

struct member {
	struct rpc_member base;
	struct ttrpc_connection connection;
	void (*lost)(void *context, const struct error *why);
	void *lost_context;
};

static void on_member_closed(struct ttrpc_connection *connection)
{
	struct member *member = connection->owner;

	if (member->lost && !member->base.server->stopped)
		member->lost(member->lost_context, &connection->why);
	rpc_member_free(&member->base);
}

static void close_member(struct rpc_member *member)
{
	ttrpc_connection_close(&((struct member *)member)->connection, NULL);
}

int ttrpc_server_add(struct ttrpc_server *server, int fd, void (*lost)(void *context, const struct error *why), void *context,
		     struct error *err)
{
	_cleanup_close_ int owned = fd;

	if (server->base.n_members >= TTRPC_CONNECTIONS_MAX)
		return error_set(err, EBUSY, "%d connections are served already", TTRPC_CONNECTIONS_MAX);
	struct member *member = rpc_member_new(sizeof(*member), &server->base);
	if (!member)
		return error_nomem(err);
	member->connection.owner = member;
	member->connection.on_closed = on_member_closed;
	int r = ttrpc_connection_init(&member->connection, server->base.loop, &server->services, server->base.load, err);
	if (r == 0) {
		r = uv_pipe_open(&member->connection.pipe, fd);
		if (r < 0)
			error_set(err, -r, "cannot use the connection: %s", uv_strerror(r));
	}
	if (r < 0) {
		close_member(&member->base);
		return r;
	}
	(void)TAKE_FD(owned); /* the pipe's */
	member->lost = lost;
	member->lost_context = context;
	ttrpc_connection_begin(&member->connection);
	return 0;
}

static void on_connection(void *context, int fd)
{
	struct error ignored; /* the peer sees the end, and may try again */

	(void)!ttrpc_server_add(context, fd, NULL, NULL, &ignored);
}

int ttrpc_server_new(uv_loop_t *loop, const struct ttrpc_services *services, struct ttrpc_server **ret, struct error *err)
{
	struct ttrpc_server *server = rpc_server_new(sizeof(*server), loop, TTRPC_HANDLED_MAX);

	if (!server)
		return error_nomem(err);
	server->services = *services;
	*ret = server;
	return 0;
}

int ttrpc_server_start(uv_loop_t *loop, const char *path, uid_t uid, const struct ttrpc_services *services, struct ttrpc_server **ret,
		       struct error *err)
{
	struct ttrpc_server *server;

	int r = ttrpc_server_new(loop, services, &server, err);
	if (r < 0)
		return r;
	r = rpc_server_listen(&server->base, path, uid, BACKLOG, on_connection, err);
	if (r == 0)
		*ret = server;
	else
		rpc_server_free(&server->base);
	return r;
}

void ttrpc_server_stop(struct ttrpc_server *server)
{
	rpc_server_stop(server ? &server->base : NULL, close_member);
}
