// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdlib.h>

#include "common/rpc/ttrpc_connection.h"
#include "common/rpc/unix_socket.h"

#define BACKLOG 64

struct member {
	struct ttrpc_connection connection; /* the first */
	struct member *previous, *next;
	void (*lost)(void *context, const struct error *why);
	void *lost_context;
};

struct ttrpc_server {
	uv_loop_t *loop;
	struct unix_listener *listener; /* NULL: connections are given to it */
	struct ttrpc_services services;
	struct rpc_load *load;
	struct member *members;
	size_t n_members;
	bool stopped, closed;
};

static void server_free(struct ttrpc_server *server)
{
	if (!server)
		return;
	rpc_load_unref(server->load);
	free(server);
}
DEFINE_CLEANUP(struct ttrpc_server *, server_free);

static void free_if_done(struct ttrpc_server *server)
{
	if (server->closed && !server->members)
		server_free(server);
}

static void on_member_closed(struct ttrpc_connection *connection)
{
	struct ttrpc_server *server = connection->owner;
	struct member *member = (struct member *)connection;

	if (member->previous)
		member->previous->next = member->next;
	else
		server->members = member->next;
	if (member->next)
		member->next->previous = member->previous;
	server->n_members--;
	if (member->lost && !server->stopped)
		member->lost(member->lost_context, &connection->why);
	free(member);
	free_if_done(server);
}

static struct member *member_new(struct ttrpc_server *server)
{
	struct member *member = calloc(1, sizeof(*member));

	if (!member)
		return NULL;
	member->connection.owner = server;
	member->connection.on_closed = on_member_closed;
	member->next = server->members;
	if (member->next)
		member->next->previous = member;
	server->members = member;
	server->n_members++;
	return member;
}

int ttrpc_server_add(struct ttrpc_server *server, int fd, void (*lost)(void *context, const struct error *why), void *context,
		     struct error *err)
{
	_cleanup_close_ int owned = fd;

	if (server->n_members >= TTRPC_CONNECTIONS_MAX)
		return error_set(err, EBUSY, "%d connections are served already", TTRPC_CONNECTIONS_MAX);
	struct member *member = member_new(server);
	if (!member)
		return error_nomem(err);
	int r = ttrpc_connection_init(&member->connection, server->loop, &server->services, server->load, err);
	if (r == 0) {
		r = uv_pipe_open(&member->connection.pipe, fd);
		if (r < 0)
			error_set(err, -r, "cannot use the connection: %s", uv_strerror(r));
	}
	if (r < 0) {
		ttrpc_connection_close(&member->connection, NULL);
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

static void on_listener_stopped(void *context)
{
	struct ttrpc_server *server = context;

	server->closed = true;
	free_if_done(server);
}

int ttrpc_server_new(uv_loop_t *loop, const struct ttrpc_services *services, struct ttrpc_server **ret, struct error *err)
{
	_cleanup_(server_freep) struct ttrpc_server *server = calloc(1, sizeof(*server));

	if (!server)
		return error_nomem(err);
	server->load = rpc_load_new(TTRPC_HANDLED_MAX, NULL);
	if (!server->load)
		return error_nomem(err);
	server->loop = loop;
	server->services = *services;
	*ret = TAKE_PTR(server);
	return 0;
}

int ttrpc_server_start(uv_loop_t *loop, const char *path, uid_t uid, const struct ttrpc_services *services, struct ttrpc_server **ret,
		       struct error *err)
{
	_cleanup_(server_freep) struct ttrpc_server *server = NULL;

	int r = ttrpc_server_new(loop, services, &server, err);
	if (r < 0)
		return r;
	const struct unix_listener_options options = { path, BACKLOG, uid, on_connection, server };
	r = unix_listener_start(loop, &options, &server->listener, err);
	if (r == 0)
		*ret = TAKE_PTR(server);
	return r;
}

void ttrpc_server_stop(struct ttrpc_server *server)
{
	if (!server || server->stopped)
		return;
	server->stopped = true;
	for (struct member *member = server->members; member; member = member->next)
		ttrpc_connection_close(&member->connection, NULL);
	if (server->listener)
		unix_listener_stop(server->listener, on_listener_stopped);
	else
		on_listener_stopped(server);
}
