// SPDX-License-Identifier: Apache-2.0
#include "common/rpc/grpc_connection.h"

#include <errno.h>
#include <stdlib.h>

#define READ_SIZE (16 * 1024)

static void on_closed(uv_handle_t *handle)
{
	struct grpc_connection *connection = handle->data;

	grpc_session_free(connection->session, connection->why.code ? &connection->why : NULL);
	buf_free(&connection->sending);
	connection->on_closed(connection);
}

void grpc_connection_close(struct grpc_connection *connection, const struct error *why)
{
	if (connection->closing)
		return;
	connection->closing = true;
	if (why)
		connection->why = *why;
	uv_close((uv_handle_t *)&connection->pipe, on_closed);
}

static void flush(struct grpc_connection *connection);

static void on_written(uv_write_t *write, int status)
{
	struct grpc_connection *connection = write->data;
	struct error err;

	connection->writing = false;
	if (status < 0) {
		error_set(&err, -status, "the connection was lost: %s", uv_strerror(status));
		grpc_connection_close(connection, &err);
	} else {
		flush(connection);
	}
}

static int send_output(struct grpc_connection *connection, struct error *err)
{
	buf_clear(&connection->sending);
	int r = grpc_session_output(connection->session, &connection->sending, err);
	if (r < 0 || connection->sending.n == 0)
		return r;
	uv_buf_t bytes = uv_buf_init((char *)connection->sending.p, (unsigned)connection->sending.n);
	connection->write.data = connection;
	r = uv_write(&connection->write, (uv_stream_t *)&connection->pipe, &bytes, 1, on_written);
	if (r < 0)
		return error_set(err, -r, "the connection was lost: %s", uv_strerror(r));
	connection->writing = true;
	return 0;
}

/*
 * One write at a time: what the peer does not take stays in the session, where it has its limits. A session that is done although it has
 * calls has found something in what the peer sent, and has said goodbye.
 */
static void flush(struct grpc_connection *connection)
{
	struct error err;

	if (!connection->begun || connection->writing || connection->closing)
		return;
	int r = send_output(connection, &err);
	bool done = r == 0 && !connection->writing && grpc_session_is_done(connection->session);
	if (done)
		error_set(&err, EPROTO, "the connection was ended: the peer does not speak HTTP/2 as agreed");
	if (r < 0 || done)
		grpc_connection_close(connection, &err);
}

static void on_wake(void *context)
{
	flush(context);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *bytes)
{
	struct grpc_connection *connection = stream->data;
	_cleanup_free_ char *owned = bytes->base;
	struct error err;
	int r = 0;

	if (connection->closing || n == 0)
		return;
	if (n < 0)
		error_set(&err, (int)-n, "the connection was lost: %s", n == UV_EOF ? "the peer closed it" : uv_strerror((int)n));
	else
		r = grpc_session_feed(connection->session, slice_from(owned, (size_t)n), &err);
	flush(connection);
	if (n < 0 || r < 0)
		grpc_connection_close(connection, &err);
}

/* Freed by on_read, so that an idle connection has no buffer. */
static void on_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
	char *bytes = malloc(READ_SIZE);

	*ret = uv_buf_init(bytes, bytes ? READ_SIZE : 0);
}

int grpc_connection_init(struct grpc_connection *connection, uv_loop_t *loop, const struct grpc_service *service, struct rpc_load *load,
			 struct error *err)
{
	const struct grpc_session_options options = { service, load, on_wake, connection };

	connection->sending = BUF_MAX(2 * GRPC_OUTPUT_CHUNK);
	uv_pipe_init(loop, &connection->pipe, 0);
	connection->pipe.data = connection;
	return grpc_session_new(&options, &connection->session, err);
}

void grpc_connection_begin(struct grpc_connection *connection)
{
	struct error err;

	connection->begun = true;
	int r = uv_read_start((uv_stream_t *)&connection->pipe, on_allocate, on_read);
	if (r < 0) {
		error_set(&err, -r, "cannot read from the connection: %s", uv_strerror(r));
		grpc_connection_close(connection, &err);
	} else {
		flush(connection);
	}
}
