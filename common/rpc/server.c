// SPDX-License-Identifier: Apache-2.0
#include "common/rpc/server.h"

#include <stdlib.h>

void *rpc_server_new(size_t size, uv_loop_t *loop, size_t handled_max)
{
	_cleanup_(rpc_server_freep) struct rpc_server *server = calloc(1, size);

	if (!server)
		return NULL;
	server->loop = loop;
	server->load = rpc_load_new(handled_max, NULL);
	return server->load ? TAKE_PTR(server) : NULL;
}

void rpc_server_free(struct rpc_server *server)
{
	if (!server)
		return;
	rpc_load_unref(server->load);
	free(server);
}

static void free_if_done(struct rpc_server *server)
{
	if (server->closed && !server->members)
		rpc_server_free(server);
}

int rpc_server_listen(struct rpc_server *server, const char *path, uid_t uid, int backlog, void (*accepted)(void *server, int fd),
		      struct error *err)
{
	const struct unix_listener_options options = { path, backlog, uid, accepted, server };

	return unix_listener_start(server->loop, &options, &server->listener, err);
}

static void on_listener_stopped(void *context)
{
	struct rpc_server *server = context;

	server->closed = true;
	free_if_done(server);
}

/* A member's memory is freed by the loop, later than by `close`. */
void rpc_server_stop(struct rpc_server *server, void (*close)(struct rpc_member *member))
{
	if (!server || server->stopped)
		return;
	server->stopped = true;
	for (struct rpc_member *member = server->members; member; member = member->next)
		close(member);
	if (server->listener)
		unix_listener_stop(server->listener, on_listener_stopped);
	else
		on_listener_stopped(server);
}

void *rpc_member_new(size_t size, struct rpc_server *server)
{
	struct rpc_member *member = calloc(1, size);

	if (!member)
		return NULL;
	member->server = server;
	member->next = server->members;
	if (member->next)
		member->next->previous = member;
	server->members = member;
	server->n_members++;
	return member;
}

void rpc_member_free(struct rpc_member *member)
{
	struct rpc_server *server = member->server;

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
