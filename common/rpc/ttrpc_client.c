// SPDX-License-Identifier: Apache-2.0
/*
 * A connection is made when a call needs one, and its session takes calls before it stands: what they send waits in it. When a connection
 * is lost its calls end; the next call makes a new one, if the client has a path for it.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/un.h>

#include "common/rpc/ttrpc_connection.h"

struct link {
	struct ttrpc_connection connection; /* the first */
	uv_connect_t connect;
};

struct ttrpc_client {
	uv_loop_t *loop;
	struct link *link; /* the one that new calls use; NULL: none */
	size_t n_links;    /* that are not freed yet */
	bool closed;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)]; /* "": it was given a socket */
	struct error why;                                       /* it is lost */
};

static void client_free_if_done(struct ttrpc_client *client)
{
	if (client->closed && client->n_links == 0)
		free(client);
}

static void on_link_closed(struct ttrpc_connection *connection)
{
	struct ttrpc_client *client = connection->owner;

	if (client->link == (struct link *)connection)
		client->link = NULL;
	client->why = connection->why;
	free(connection);
	client->n_links--;
	client_free_if_done(client);
}

static int link_new(struct ttrpc_client *client, struct error *err)
{
	struct link *link = calloc(1, sizeof(*link));

	if (!link)
		return error_nomem(err);
	link->connection.owner = client;
	link->connection.on_closed = on_link_closed;
	link->connect.data = link;
	client->n_links++;
	int r = ttrpc_connection_init(&link->connection, client->loop, NULL, NULL, err);
	if (r < 0)
		ttrpc_connection_close(&link->connection, err);
	else
		client->link = link;
	return r;
}

static void on_connected(uv_connect_t *connect, int status)
{
	struct link *link = connect->data;
	struct ttrpc_client *client = link->connection.owner;
	struct error err;

	if (status == UV_ECANCELED)
		return;
	if (status == 0) {
		ttrpc_connection_begin(&link->connection);
		return;
	}
	error_set(&err, -status, "cannot connect to %s: %s", client->path, uv_strerror(status));
	ttrpc_connection_close(&link->connection, &err);
}

static struct ttrpc_client *client_new(uv_loop_t *loop)
{
	struct ttrpc_client *client = calloc(1, sizeof(*client));

	if (client)
		client->loop = loop;
	return client;
}

int ttrpc_client_new(uv_loop_t *loop, const char *path, struct ttrpc_client **ret, struct error *err)
{
	struct ttrpc_client *client;

	if (strlen(path) >= sizeof(client->path))
		return error_set(err, ENAMETOOLONG, "%s is too long for a unix socket", path);
	client = client_new(loop);
	if (!client)
		return error_nomem(err);
	memcpy(client->path, path, strlen(path) + 1);
	*ret = client;
	return 0;
}

int ttrpc_client_open(uv_loop_t *loop, int fd, struct ttrpc_client **ret, struct error *err)
{
	_cleanup_close_ int owned = fd;
	struct ttrpc_client *client = client_new(loop);

	if (!client)
		return error_nomem(err);
	int r = link_new(client, err);
	if (r == 0) {
		r = uv_pipe_open(&client->link->connection.pipe, fd);
		if (r < 0)
			error_set(err, -r, "cannot use the connection: %s", uv_strerror(r));
	}
	if (r < 0) {
		ttrpc_client_close(client);
		return r;
	}
	(void)TAKE_FD(owned); /* the pipe's */
	ttrpc_connection_begin(&client->link->connection);
	*ret = client;
	return 0;
}

void ttrpc_client_close(struct ttrpc_client *client)
{
	if (!client || client->closed)
		return;
	client->closed = true;
	if (client->link)
		ttrpc_connection_close(&client->link->connection, NULL);
	client_free_if_done(client);
}

static bool needs_link(const struct ttrpc_client *client)
{
	return !client->link || client->link->connection.closing ||
	       (client->path[0] != 0 && ttrpc_session_is_used_up(client->link->connection.session));
}

/* The calls of one that is used up (after two thousand million) end as if it were lost. */
static int connect_link(struct ttrpc_client *client, struct error *err)
{
	const struct error *why = client->link ? &client->link->connection.why : &client->why;

	if (client->path[0] == 0)
		return error_set(err, EPIPE, "%s", why->code ? why->message : "the connection was closed");
	if (client->link) {
		error_set(err, EPIPE, "the connection has had all the calls that one can have");
		ttrpc_connection_close(&client->link->connection, err); /* unless it is closing already */
	}
	int r = link_new(client, err);
	if (r == 0)
		uv_pipe_connect(&client->link->connect, &client->link->connection.pipe, client->path, on_connected);
	return r;
}

int ttrpc_client_call(struct ttrpc_client *client, const struct ttrpc_request *request, const struct ttrpc_receiver *receiver,
		      struct ttrpc_client_call **ret, struct error *err)
{
	int r = 0;

	if (client->closed)
		return error_set(err, ECANCELED, "the client is closed");
	if (needs_link(client))
		r = connect_link(client, err);
	return r < 0 ? r : ttrpc_session_call(client->link->connection.session, request, receiver, ret, err);
}
