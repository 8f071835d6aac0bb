// SPDX-License-Identifier: Apache-2.0
/*
 * One write at a time, of all that is queued; what is queued meanwhile is the next. While a server's peer does not take its answers nothing
 * is read from it, so that its requests wait in the socket. A client reads always: else two of us could wait for each other.
 */
#include "common/rpc/ttrpc_connection.h"

#include <errno.h>
#include <stdlib.h>

#define READ_SIZE (16 * 1024)

static void on_handle_closed(uv_handle_t *handle)
{
	struct ttrpc_connection *connection = handle->data;

	if (--connection->open_handles > 0)
		return;
	ttrpc_session_free(connection->session, connection->why.code ? &connection->why : NULL);
	free(connection->read);
	connection->on_closed(connection);
}

/* A program that answers and then stops its server has answered. */
static void send_farewell(struct ttrpc_connection *connection)
{
	struct slice bytes;
	struct error ignored;

	if (!connection->begun || uv_stream_get_write_queue_size((uv_stream_t *)&connection->pipe) > 0)
		return;
	if (connection->writing)
		ttrpc_session_sent(connection->session);
	if (ttrpc_session_output(connection->session, &bytes, &ignored) < 0 || bytes.n == 0)
		return;
	uv_buf_t part = uv_buf_init((char *)bytes.p, (unsigned)bytes.n);
	(void)uv_try_write((uv_stream_t *)&connection->pipe, &part, 1);
}

void ttrpc_connection_close(struct ttrpc_connection *connection, const struct error *why)
{
	if (connection->closing)
		return;
	connection->closing = true;
	if (why)
		connection->why = *why;
	if (connection->session)
		ttrpc_session_stop(connection->session);
	if (connection->session && !why)
		send_farewell(connection);
	uv_close((uv_handle_t *)&connection->pipe, on_handle_closed);
	uv_close((uv_handle_t *)&connection->timer, on_handle_closed);
}

static void close_for(struct ttrpc_connection *connection, int uv_error, const char *words)
{
	struct error err;

	error_set(&err, -uv_error, "the connection was lost: %s", words);
	ttrpc_connection_close(connection, &err);
}

static void advance(struct ttrpc_connection *connection);

/* ── Writing ── */

static void on_written(uv_write_t *write, int status)
{
	struct ttrpc_connection *connection = write->data;

	connection->writing = false;
	if (connection->closing)
		return;
	if (status < 0) {
		close_for(connection, status, uv_strerror(status));
	} else {
		ttrpc_session_sent(connection->session);
		advance(connection);
	}
}

static void flush(struct ttrpc_connection *connection)
{
	struct slice bytes;
	struct error err;

	if (!connection->begun || connection->writing || connection->closing)
		return;
	if (ttrpc_session_output(connection->session, &bytes, &err) < 0) {
		ttrpc_connection_close(connection, &err);
		return;
	}
	if (bytes.n == 0)
		return;
	uv_buf_t part = uv_buf_init((char *)bytes.p, (unsigned)bytes.n);
	connection->write.data = connection;
	int r = uv_write(&connection->write, (uv_stream_t *)&connection->pipe, &part, 1, on_written);
	connection->writing = r == 0;
	if (r < 0)
		close_for(connection, r, uv_strerror(r));
}

/* ── Time ── */

static void on_time(uv_timer_t *timer)
{
	struct ttrpc_connection *connection = timer->data;

	connection->timer_ms = UINT64_MAX;
	ttrpc_session_expire(connection->session);
	advance(connection);
}

static void set_timer(struct ttrpc_connection *connection)
{
	uint64_t deadline = ttrpc_session_deadline_ms(connection->session), now = uv_now(connection->timer.loop);

	if (connection->closing || deadline >= connection->timer_ms)
		return;
	connection->timer_ms = deadline;
	uv_timer_start(&connection->timer, on_time, deadline > now ? deadline - now : 0, 0);
}

/* The loop's clock, but as it is now: the loop's time stands while a handler works. */
static uint64_t now_ms(void *context)
{
	return uv_hrtime() / 1000000;
}

/* ── Reading ── */

/* Freed when all of it is fed, so that an idle connection has no buffer. */
static void on_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
	char *bytes = malloc(READ_SIZE);

	*ret = uv_buf_init(bytes, bytes ? READ_SIZE : 0);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *bytes)
{
	struct ttrpc_connection *connection = stream->data;
	_cleanup_free_ char *owned = bytes->base;

	if (connection->closing || n == 0)
		return;
	if (n < 0) {
		close_for(connection, (int)n, n == UV_EOF ? "the peer closed it" : uv_strerror((int)n));
		return;
	}
	connection->read = TAKE_PTR(owned);
	connection->rest = slice_from(connection->read, (size_t)n);
	advance(connection);
}

static void feed(struct ttrpc_connection *connection)
{
	uv_stream_t *stream = (uv_stream_t *)&connection->pipe;
	int r = 0;

	if (!connection->read || connection->closing)
		return;
	ttrpc_session_feed(connection->session, &connection->rest);
	if (connection->closing)
		return;
	bool was_paused = connection->paused;
	connection->paused = connection->rest.n > 0;
	if (connection->paused) {
		uv_read_stop(stream);
		return;
	}
	free(TAKE_PTR(connection->read));
	if (was_paused)
		r = uv_read_start(stream, on_allocate, on_read);
	if (r < 0)
		close_for(connection, r, uv_strerror(r));
}

static void advance(struct ttrpc_connection *connection)
{
	feed(connection);
	flush(connection);
	set_timer(connection);
}

static void on_wake(void *context)
{
	flush(context);
	set_timer(context);
}

/* ── Its life ── */

int ttrpc_connection_init(struct ttrpc_connection *connection, uv_loop_t *loop, const struct ttrpc_services *services,
			  struct rpc_load *load, struct error *err)
{
	const struct ttrpc_session_options options = { services, load, now_ms, on_wake, connection };

	uv_pipe_init(loop, &connection->pipe, 0);
	uv_timer_init(loop, &connection->timer);
	connection->pipe.data = connection->timer.data = connection;
	connection->open_handles = 2;
	connection->timer_ms = UINT64_MAX;
	return ttrpc_session_new(&options, &connection->session, err);
}

void ttrpc_connection_begin(struct ttrpc_connection *connection)
{
	connection->begun = true;
	int r = uv_read_start((uv_stream_t *)&connection->pipe, on_allocate, on_read);
	if (r < 0)
		close_for(connection, r, uv_strerror(r));
	else
		flush(connection);
}
