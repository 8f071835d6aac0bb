// SPDX-License-Identifier: Apache-2.0
/*
 *	              bytes                  complete                 server_answer            written, or
 *	accept ──► RECEIVING ──────────────► HANDLING ──────────────► ANSWERING ─────────────► peer or time is gone ──► closed
 *	              └─ bad request, time ─────────────── refuse ─────▲
 *
 * A call belongs to two: to the loop until its handles are closed, and to the handler while it is HANDLING. It is freed when
 * neither needs it, so a peer may go away at any moment.
 */
#include "cni-plugin/agent/server.h"

#include <errno.h>
#include <stdlib.h>

#include "common/rpc/unix_socket.h"

#define BACKLOG 128
#define SCRATCH_SIZE (64 * 1024)

enum call_state { CALL_RECEIVING, CALL_HANDLING, CALL_ANSWERING };

struct server_call {
	struct server *server;
	struct server_call *previous, *next;
	uv_pipe_t pipe;
	uv_timer_t timer;
	uv_write_t write;
	enum call_state state;
	bool closing;
	unsigned open_handles;
	struct wire_request request;
	struct buf answer;
};

struct server {
	uv_loop_t *loop;
	struct unix_listener *listener;
	struct server_handler handler;
	struct server_call *calls;
	size_t n_calls;
	bool stopped, closed;
	char scratch[SCRATCH_SIZE];
};

static void server_free_if_done(struct server *server)
{
	if (server->closed && !server->calls)
		free(server);
}

static void call_free_if_done(struct server_call *call)
{
	struct server *server = call->server;

	if (call->open_handles > 0 || call->state == CALL_HANDLING)
		return;
	if (call->previous)
		call->previous->next = call->next;
	else
		server->calls = call->next;
	if (call->next)
		call->next->previous = call->previous;
	server->n_calls--;
	wire_request_free(&call->request);
	buf_free(&call->answer);
	free(call);
	server_free_if_done(server);
}

static void on_handle_closed(uv_handle_t *handle)
{
	struct server_call *call = handle->data;

	call->open_handles--;
	call_free_if_done(call);
}

static void call_close(struct server_call *call)
{
	if (call->closing)
		return;
	call->closing = true;
	uv_close((uv_handle_t *)&call->pipe, on_handle_closed);
	uv_close((uv_handle_t *)&call->timer, on_handle_closed);
}

static void on_written(uv_write_t *write, int status)
{
	call_close(write->data);
}

static void on_time_is_up(uv_timer_t *timer)
{
	call_close(timer->data);
}

static void call_send(struct server_call *call)
{
	uv_buf_t bytes = uv_buf_init((char *)call->answer.p, (unsigned)call->answer.n);

	call->write.data = call;
	uv_timer_start(&call->timer, on_time_is_up, SERVER_TAKE_TIMEOUT_MS, 0);
	if (uv_write(&call->write, (uv_stream_t *)&call->pipe, &bytes, 1, on_written) < 0)
		call_close(call);
}

void server_answer(struct server_call *call, uint32_t exit_code, struct slice output)
{
	struct error err;

	call->state = CALL_ANSWERING;
	if (call->closing) {
		call_free_if_done(call);
		return;
	}
	wire_answer_begin(&call->answer, exit_code);
	wire_answer_output(&call->answer, output);
	wire_answer_end(&call->answer);
	if (buf_check(&call->answer, "answer", &err) < 0)
		call_close(call); /* the peer sees an answer that was cut off */
	else
		call_send(call);
}

const struct wire_request *server_request(const struct server_call *call)
{
	return &call->request;
}

static void call_refuse(struct server_call *call, const struct error *why)
{
	uv_read_stop((uv_stream_t *)&call->pipe);
	call->server->handler.refused(call->server->handler.context, why);
	server_answer(call, WIRE_REFUSED, slice_string(why->message));
}

static void on_request_late(uv_timer_t *timer)
{
	struct error err;

	error_set(&err, ETIMEDOUT, "the request did not arrive within %d s", SERVER_SEND_TIMEOUT_MS / 1000);
	call_refuse(timer->data, &err);
}

/* A peer may end its side once it has said all, and still listen; whoever is gone for good shows when the answer is written. */
static void on_end(struct server_call *call, ssize_t status)
{
	if (status == UV_EOF && call->state != CALL_RECEIVING)
		uv_read_stop((uv_stream_t *)&call->pipe);
	else
		call_close(call);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *bytes)
{
	struct server_call *call = stream->data;
	struct error err;

	if (n < 0)
		on_end(call, n);
	if (n <= 0 || call->state != CALL_RECEIVING)
		return;
	int r = wire_request_feed(&call->request, slice_from(bytes->base, (size_t)n), &err);
	if (r < 0) {
		call_refuse(call, &err);
	} else if (r > 0) {
		call->state = CALL_HANDLING;
		uv_timer_stop(&call->timer);
		call->server->handler.handle(call->server->handler.context, call);
	}
}

/* One for all: libuv calls on_read before it asks again. */
static void on_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
	struct server_call *call = handle->data;

	*ret = uv_buf_init(call->server->scratch, SCRATCH_SIZE);
}

static struct server_call *call_new(struct server *server)
{
	struct server_call *call = calloc(1, sizeof(*call));

	if (!call)
		return NULL;
	call->server = server;
	call->answer = BUF_MAX(WIRE_OUTPUT_MAX + WIRE_OUTPUT_MAX / WIRE_CHUNK_MAX * 4 + 64);
	wire_request_init(&call->request);
	uv_pipe_init(server->loop, &call->pipe, 0);
	uv_timer_init(server->loop, &call->timer);
	call->open_handles = 2;
	call->pipe.data = call->timer.data = call;
	call->next = server->calls;
	if (call->next)
		call->next->previous = call;
	server->calls = call;
	server->n_calls++;
	return call;
}

static void on_connection(void *context, int fd)
{
	struct server *server = context;
	_cleanup_close_ int owned = fd;
	struct server_call *call = call_new(server);
	struct error err;

	if (!call)
		return; /* the peer sees the end, and may try again */
	if (uv_pipe_open(&call->pipe, fd) < 0) {
		call_close(call);
		return;
	}
	(void)TAKE_FD(owned); /* the pipe's */
	if (server->n_calls > SERVER_CALLS_MAX) {
		error_set(&err, EBUSY, "the agent has %d requests to answer already", SERVER_CALLS_MAX);
		call_refuse(call, &err);
		return;
	}
	uv_timer_start(&call->timer, on_request_late, SERVER_SEND_TIMEOUT_MS, 0);
	if (uv_read_start((uv_stream_t *)&call->pipe, on_allocate, on_read) < 0)
		call_close(call);
}

static void on_listener_stopped(void *context)
{
	struct server *server = context;

	server->closed = true;
	server_free_if_done(server);
}

int server_start(uv_loop_t *loop, const char *path, const struct server_handler *handler, struct server **ret, struct error *err)
{
	_cleanup_free_ struct server *server = calloc(1, sizeof(*server));
	const struct unix_listener_options options = { path, BACKLOG, 0, on_connection, server };

	if (!server)
		return error_nomem(err);
	server->loop = loop;
	server->handler = *handler;
	int r = unix_listener_start(loop, &options, &server->listener, err);
	if (r == 0)
		*ret = TAKE_PTR(server);
	return r;
}

void server_stop(struct server *server)
{
	if (!server || server->stopped)
		return;
	server->stopped = true;
	unix_listener_stop(server->listener, on_listener_stopped);
	for (struct server_call *call = server->calls, *next; call; call = next) {
		next = call->next;
		call_close(call);
	}
}
