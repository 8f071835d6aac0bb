// SPDX-License-Identifier: Apache-2.0
/*
 * A connection is made when a call needs one, and the session takes calls before it stands: what they send waits in it. When a connection
 * is lost its calls end; the next call makes a new one.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/un.h>

#include "common/rpc/grpc_connection.h"

struct link {
	struct grpc_connection connection;
	uv_connect_t connect;
	struct grpc_client *client;
	struct link *next;
};

struct grpc_client {
	uv_loop_t *loop;
	struct link *link;  /* the one that new calls use; NULL: none */
	struct link *links; /* all that are not freed yet: one that the peer has said goodbye on may still have calls */
	size_t n_calls;
	bool closed;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

/* Belongs to the client until its timer's handle is closed. */
struct grpc_client_call {
	struct grpc_client *client;
	struct grpc_call *call; /* NULL: it is over */
	struct grpc_receiver receiver;
	uv_timer_t timer;
};

static void client_free_if_done(struct grpc_client *client)
{
	if (client->closed && !client->links && client->n_calls == 0)
		free(client);
}

static void on_link_closed(struct grpc_connection *connection)
{
	struct link *link = connection->owner;
	struct grpc_client *client = link->client;
	struct link **at = &client->links;

	if (client->link == link)
		client->link = NULL;
	while (*at != link)
		at = &(*at)->next;
	*at = link->next;
	free(link);
	client_free_if_done(client);
}

static void on_connected(uv_connect_t *connect, int status)
{
	struct link *link = connect->data;
	struct error err;

	if (status == UV_ECANCELED)
		return;
	if (status == 0) {
		grpc_connection_begin(&link->connection);
		return;
	}
	error_set(&err, -status, "cannot connect to %s: %s", link->client->path, uv_strerror(status));
	grpc_connection_close(&link->connection, &err);
}

static int connect_link(struct grpc_client *client, struct error *err)
{
	struct link *link = calloc(1, sizeof(*link));

	if (!link)
		return error_nomem(err);
	link->client = client;
	link->connection.owner = link;
	link->connection.on_closed = on_link_closed;
	link->connect.data = link;
	link->next = client->links;
	client->links = link;
	int r = grpc_connection_init(&link->connection, client->loop, NULL, NULL, err);
	if (r < 0) {
		grpc_connection_close(&link->connection, err);
		return r;
	}
	client->link = link;
	uv_pipe_connect(&link->connect, &link->connection.pipe, client->path, on_connected);
	return 0;
}

int grpc_client_new(uv_loop_t *loop, const char *path, struct grpc_client **ret, struct error *err)
{
	struct grpc_client *client = calloc(1, sizeof(*client));

	if (!client)
		return error_nomem(err);
	if (strlen(path) >= sizeof(client->path)) {
		free(client);
		return error_set(err, ENAMETOOLONG, "%s is too long for a unix socket", path);
	}
	memcpy(client->path, path, strlen(path) + 1);
	client->loop = loop;
	*ret = client;
	return 0;
}

void grpc_client_close(struct grpc_client *client)
{
	if (!client || client->closed)
		return;
	client->closed = true;
	for (struct link *link = client->links; link; link = link->next)
		grpc_connection_close(&link->connection, NULL);
	client_free_if_done(client);
}

static void on_timer_closed(uv_handle_t *handle)
{
	struct grpc_client_call *call = handle->data;
	struct grpc_client *client = call->client;

	free(call);
	client->n_calls--;
	client_free_if_done(client);
}

static void call_over(struct grpc_client_call *call)
{
	call->call = NULL;
	call->receiver = (struct grpc_receiver){ 0 };
	if (!uv_is_closing((uv_handle_t *)&call->timer))
		uv_close((uv_handle_t *)&call->timer, on_timer_closed);
}

static void on_message(void *context, struct slice message)
{
	struct grpc_client_call *call = context;

	if (call->receiver.message)
		call->receiver.message(call->receiver.context, message);
}

static void on_end(void *context, enum rpc_status status, const char *words)
{
	struct grpc_client_call *call = context;
	struct grpc_receiver receiver = call->receiver;

	call_over(call);
	if (receiver.end)
		receiver.end(receiver.context, status, words);
}

void grpc_client_cancel(struct grpc_client_call *call)
{
	grpc_session_cancel(call->call);
	call_over(call);
}

static void on_time_is_up(uv_timer_t *timer)
{
	struct grpc_client_call *call = timer->data;

	grpc_session_cancel(call->call);
	on_end(call, RPC_DEADLINE_EXCEEDED, "the peer did not answer in time");
}

static bool link_takes_calls(const struct link *link)
{
	return link && !link->connection.closing && nghttp2_session_check_request_allowed(link->connection.session->h2);
}

int grpc_client_call(struct grpc_client *client, const struct grpc_request *request, const struct grpc_receiver *receiver,
		     struct grpc_client_call **ret, struct error *err)
{
	_cleanup_free_ struct grpc_client_call *call = calloc(1, sizeof(*call));
	int r = 0;

	if (!call)
		return error_nomem(err);
	if (client->closed)
		return error_set(err, ECANCELED, "the client of %s is closed", client->path);
	if (!link_takes_calls(client->link))
		r = connect_link(client, err);
	if (r < 0)
		return r;
	const struct grpc_receiver own = { on_message, on_end, call };
	call->client = client;
	call->receiver = *receiver;
	r = grpc_session_call(client->link->connection.session, request, &own, &call->call, err);
	if (r < 0)
		return r;
	uv_timer_init(client->loop, &call->timer);
	call->timer.data = call;
	if (request->timeout_ms)
		uv_timer_start(&call->timer, on_time_is_up, request->timeout_ms, 0);
	client->n_calls++;
	*ret = TAKE_PTR(call);
	return 0;
}
