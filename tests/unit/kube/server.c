// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/kube/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"

#define REQUESTS_MAX 64

struct connection {
	uv_tcp_t tcp;
	struct server *server;
	struct connection *next;
	struct buf head;
	char bytes[4096];
};

struct server {
	uv_tcp_t listener;
	uv_loop_t *loop;
	const struct step *steps;
	size_t n_steps, n_requests;
	uint64_t times[REQUESTS_MAX];
	void *context;
	struct connection *connections, *held;
	char complaint[1024];
	size_t n_handles;
};

struct write {
	uv_write_t request;
	bool then_close;
	char bytes[];
};

static void handle_closed(struct server *server)
{
	if (--server->n_handles == 0)
		free(server);
}

static void connection_closed(uv_handle_t *handle)
{
	struct connection *connection = handle->data;
	struct server *server = connection->server;

	for (struct connection **link = &server->connections; *link; link = &(*link)->next) {
		if (*link == connection) {
			*link = connection->next;
			break;
		}
	}
	if (server->held == connection)
		server->held = NULL;
	buf_free(&connection->head);
	free(connection);
	handle_closed(server);
}

static void close_connection(struct connection *connection)
{
	if (!uv_is_closing((uv_handle_t *)&connection->tcp))
		uv_close((uv_handle_t *)&connection->tcp, connection_closed);
}

static void written(uv_write_t *request, int status)
{
	struct write *write = (struct write *)request;

	if (write->then_close)
		close_connection(request->handle->data);
	free(write);
}

static void send_text(struct connection *connection, const char *text, bool then_close)
{
	size_t n = strlen(text);
	struct write *write = malloc(sizeof(*write) + n);

	memcpy(write->bytes, text, n);
	write->then_close = then_close;
	uv_buf_t out = uv_buf_init(write->bytes, (unsigned)n);
	uv_write(&write->request, (uv_stream_t *)&connection->tcp, &out, 1, written);
}

static void append_chunk(struct buf *out, const char *text)
{
	if (*text)
		buf_printf(out, "%zx\r\n%s\r\n", strlen(text), text);
}

static void answer(struct connection *connection, const struct step *step)
{
	_cleanup_(buf_free) struct buf out = BUF_MAX(1 << 24);

	connection->server->held = connection;
	if (step->status == 0) {
		if (step->after == CUT)
			close_connection(connection);
		return;
	}
	buf_printf(&out, "HTTP/1.1 %d X\r\n%sTransfer-Encoding: chunked\r\n\r\n", step->status, step->header ? step->header : "");
	append_chunk(&out, step->body ? step->body : "");
	if (step->after == END)
		buf_string(&out, "0\r\n\r\n");
	send_text(connection, buf_text(&out), step->after == CUT);
}

static void complain(struct server *server, const char *what, const char *head)
{
	if (!server->complaint[0])
		snprintf(server->complaint, sizeof(server->complaint), "request %zu: %s in %.700s", server->n_requests, what, head);
}

static void check_head(struct server *server, const struct step *step, const char *head)
{
	char text[128];

	for (size_t i = 0; i < 6 && step->expect[i]; i++) {
		snprintf(text, sizeof(text), "no \"%.100s\"", step->expect[i]);
		if (!strstr(head, step->expect[i]))
			complain(server, text, head);
	}
	if (step->forbid && strstr(head, step->forbid))
		complain(server, "a forbidden text", head);
}

static void take_request(struct connection *connection)
{
	struct server *server = connection->server;
	size_t n = server->n_requests++;

	if (n < REQUESTS_MAX)
		server->times[n] = uv_now(server->loop);
	if (n < server->n_steps) {
		const struct step *step = &server->steps[n];
		check_head(server, step, buf_text(&connection->head));
		if (step->before)
			step->before(server->context);
		answer(connection, step);
	}
	buf_clear(&connection->head);
}

/* The head, and as much of a body as it says. */
static bool is_whole(const char *text)
{
	const char *end = strstr(text, "\r\n\r\n"), *length = strstr(text, "Content-Length: ");

	return end && (!length || length > end || strlen(end + 4) >= (size_t)atol(length + strlen("Content-Length: ")));
}

static void give_room(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
	struct connection *connection = handle->data;

	*ret = uv_buf_init(connection->bytes, sizeof(connection->bytes));
}

static void bytes_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *bytes)
{
	struct connection *connection = stream->data;

	if (n < 0) {
		close_connection(connection);
		return;
	}
	buf_append(&connection->head, bytes->base, (size_t)n);
	if (is_whole(buf_text(&connection->head)))
		take_request(connection);
}

static void connection_ready(uv_stream_t *listener, int status)
{
	struct server *server = listener->data;
	struct connection *connection = calloc(1, sizeof(*connection));

	connection->server = server;
	connection->head = BUF_MAX(64 * 1024);
	uv_tcp_init(server->loop, &connection->tcp);
	connection->tcp.data = connection;
	connection->next = server->connections;
	server->connections = connection;
	server->n_handles++;
	uv_accept(listener, (uv_stream_t *)&connection->tcp);
	uv_read_start((uv_stream_t *)&connection->tcp, give_room, bytes_read);
}

struct server *server_start(uv_loop_t *loop, const struct step *steps, size_t n_steps, void *context)
{
	struct server *server = calloc(1, sizeof(*server));
	struct sockaddr_in address;

	server->loop = loop;
	server->steps = steps;
	server->n_steps = n_steps;
	server->context = context;
	server->n_handles = 1;
	uv_ip4_addr("127.0.0.1", 0, &address);
	uv_tcp_init(loop, &server->listener);
	server->listener.data = server;
	if (uv_tcp_bind(&server->listener, (struct sockaddr *)&address, 0) < 0 ||
	    uv_listen((uv_stream_t *)&server->listener, 16, connection_ready) < 0)
		abort();
	return server;
}

unsigned server_port(const struct server *server)
{
	struct sockaddr_in address;
	int n = sizeof(address);

	uv_tcp_getsockname(&server->listener, (struct sockaddr *)&address, &n);
	return ntohs(address.sin_port);
}

size_t server_requests(const struct server *server)
{
	return server->n_requests;
}

const char *server_complaint(const struct server *server)
{
	return server->complaint;
}

uint64_t server_request_time(const struct server *server, size_t n)
{
	return server->times[n];
}

void server_push(struct server *server, const char *text)
{
	_cleanup_(buf_free) struct buf out = BUF_MAX(1 << 20);

	append_chunk(&out, text);
	if (server->held)
		send_text(server->held, buf_text(&out), false);
}

void server_end(struct server *server)
{
	if (server->held)
		send_text(server->held, "0\r\n\r\n", false);
}

static void listener_closed(uv_handle_t *handle)
{
	handle_closed(handle->data);
}

void server_stop(struct server *server)
{
	for (struct connection *connection = server->connections; connection; connection = connection->next)
		close_connection(connection);
	uv_close((uv_handle_t *)&server->listener, listener_closed);
}
