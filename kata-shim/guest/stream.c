// SPDX-License-Identifier: Apache-2.0
/*
 *	open ──► ended      end of file, an error, closed, cut and read to there
 *
 * libuv takes a descriptor out of epoll when its handle is closed, by number: so the handle is always closed before the descriptor, whose
 * number the next pipe may get at once.
 */
#include "kata-shim/guest/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/buf.h"

struct stream {
	uv_poll_t *poll; /* NULL: ended */
	int fd;
	struct ttrpc_call *call; /* who waits */
	size_t n;                /* of a read: what it asks for; of a write: all of it */
	struct buf rest;         /* of a write: what is not written yet */
	bool writing, closing, cut;
	size_t left; /* once cut */
};

static void on_closed(uv_handle_t *handle)
{
	free(handle);
}

static void end(struct stream *stream)
{
	if (!stream->poll)
		return;
	uv_close((uv_handle_t *)stream->poll, on_closed);
	stream->poll = NULL;
	if (stream->closing)
		shutdown(stream->fd, SHUT_WR); /* a connection, whose other direction has a descriptor of its own */
	close(stream->fd);
}

static struct ttrpc_call *take_call(struct stream *stream)
{
	struct ttrpc_call *call = stream->call;

	stream->call = NULL;
	if (call && stream->poll)
		uv_poll_stop(stream->poll);
	return call;
}

int stream_new(uv_loop_t *loop, int fd, struct stream **ret, struct error *err)
{
	struct stream *stream = calloc(1, sizeof(*stream));
	uv_poll_t *poll = malloc(sizeof(*poll));
	int r = stream && poll ? uv_poll_init(loop, poll, fd) : UV_ENOMEM;

	if (r < 0) {
		free(stream);
		free(poll);
		close(fd);
		return error_set(err, -r, "cannot watch a process's stream: %s", uv_strerror(r));
	}
	*stream = (struct stream){ .poll = poll, .fd = fd, .rest = BUF_MAX(TTRPC_MESSAGE_MAX) };
	poll->data = stream;
	*ret = stream;
	return 0;
}

bool stream_has_ended(const struct stream *stream)
{
	return !stream || !stream->poll;
}

/* ── Reading ── */

static void answer_bytes(struct ttrpc_call *call, struct slice bytes)
{
	Agent__ReadStreamResponse answer = AGENT__READ_STREAM_RESPONSE__INIT;

	answer.data = (ProtobufCBinaryData){ bytes.n, (uint8_t *)bytes.p };
	agent_answer(call, &answer.base);
}

/* False: nothing is there yet. A terminal's end is EIO. */
static bool try_read(struct stream *stream, struct ttrpc_call *call)
{
	uint8_t bytes[STREAM_READ_MAX];
	size_t n = stream->n < sizeof(bytes) ? stream->n : sizeof(bytes);

	if (stream->cut && n > stream->left)
		n = stream->left;
	ssize_t got = n > 0 ? read(stream->fd, bytes, n) : 0;
	if (got < 0 && errno == EAGAIN && !stream->cut)
		return false;
	if (got <= 0)
		end(stream);
	else if (stream->cut)
		stream->left -= (size_t)got;
	answer_bytes(call, slice_from(bytes, got > 0 ? (size_t)got : 0));
	return true;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct stream *stream = poll->data;

	if (stream->call && try_read(stream, stream->call))
		take_call(stream);
}

/* What a write has left is dropped: nobody can say any more how much that was. */
static void on_gone(void *context, struct ttrpc_call *call)
{
	struct stream *stream = context;

	take_call(stream);
	buf_free(&stream->rest);
	stream->writing = false;
	if (stream->closing)
		end(stream);
	ttrpc_call_finish(call, RPC_CANCELLED, NULL);
}

static void wait_for(struct stream *stream, struct ttrpc_call *call, int events, uv_poll_cb then)
{
	stream->call = call;
	uv_poll_start(stream->poll, events, then);
	ttrpc_call_on_gone(call, on_gone, stream);
}

static void refuse(struct ttrpc_call *call, int code, const char *why)
{
	struct error err;

	error_set(&err, code, "%s", why);
	ttrpc_call_fail(call, &err);
}

void stream_read(struct stream *stream, struct ttrpc_call *call, uint32_t n)
{
	if (n == 0) {
		refuse(call, EINVAL, "len is 0: an empty answer would look like the end");
	} else if (stream_has_ended(stream)) {
		answer_bytes(call, slice_string(""));
	} else if (stream->call) {
		refuse(call, EBUSY, "another call waits for this stream already");
	} else {
		stream->n = n;
		if (!try_read(stream, call))
			wait_for(stream, call, UV_READABLE, on_readable);
	}
}

void stream_cut(struct stream *stream)
{
	int there = 0;

	if (stream_has_ended(stream))
		return;
	if (ioctl(stream->fd, FIONREAD, &there) < 0 || there < 0)
		there = 0;
	stream->cut = true;
	stream->left = (size_t)there;
	if (stream->call)
		on_readable(stream->poll, 0, UV_READABLE);
	if (stream->left == 0)
		end(stream);
}

/* ── Writing ── */

static void answer_written(struct ttrpc_call *call, size_t n)
{
	Agent__WriteStreamResponse answer = AGENT__WRITE_STREAM_RESPONSE__INIT;

	answer.len = (uint32_t)n;
	agent_answer(call, &answer.base);
}

/* 1: all of it. 0: the pipe is full; `*bytes` is what is left. */
static int try_write(const struct stream *stream, struct slice *bytes)
{
	while (bytes->n > 0) {
		ssize_t n = write(stream->fd, bytes->p, bytes->n);
		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n < 0)
			return -errno;
		*bytes = slice_from(bytes->p + n, bytes->n - (size_t)n);
	}
	return 1;
}

static void finish_write(struct stream *stream, struct ttrpc_call *call, int r)
{
	size_t n = stream->n;

	stream->writing = false;
	buf_free(&stream->rest);
	if (r < 0 || stream->closing)
		end(stream);
	if (r < 0)
		refuse(call, EPIPE, "nobody reads this process's stdin any more");
	else
		answer_written(call, n);
}

static void on_writable(uv_poll_t *poll, int status, int events)
{
	struct stream *stream = poll->data;
	struct slice rest = buf_view(&stream->rest);
	int r = try_write(stream, &rest);

	if (r == 0)
		buf_consume(&stream->rest, stream->rest.n - rest.n);
	else
		finish_write(stream, take_call(stream), r);
}

void stream_write(struct stream *stream, struct ttrpc_call *call, struct slice bytes)
{
	if (stream_has_ended(stream) || stream->closing) {
		refuse(call, EPIPE, "this process's stdin is closed");
		return;
	}
	if (stream->call) {
		refuse(call, EBUSY, "another call writes to this stream already");
		return;
	}
	stream->n = bytes.n;
	int r = try_write(stream, &bytes);
	if (r == 0) {
		buf_slice(&stream->rest, bytes);
		r = stream->rest.failed ? -ENOMEM : 0;
	}
	if (r != 0) {
		finish_write(stream, call, r);
		return;
	}
	stream->writing = true;
	wait_for(stream, call, UV_WRITABLE, on_writable);
}

void stream_close(struct stream *stream)
{
	if (stream_has_ended(stream))
		return;
	stream->closing = true;
	if (!stream->writing)
		end(stream);
}

/* ── The rest of it ── */

void stream_free(struct stream *stream)
{
	if (!stream)
		return;
	struct ttrpc_call *call = take_call(stream);
	if (call && stream->writing)
		refuse(call, EPIPE, "this process has ended");
	else if (call)
		answer_bytes(call, slice_string(""));
	end(stream);
	buf_free(&stream->rest);
	free(stream);
}

int stream_resize(const struct stream *stream, uint16_t rows, uint16_t columns, struct error *err)
{
	const struct winsize size = { .ws_row = rows, .ws_col = columns };

	if (!stream_has_ended(stream) && ioctl(stream->fd, TIOCSWINSZ, &size) < 0)
		return error_errno(err, errno, "cannot set the terminal's size to %u rows and %u columns", rows, columns);
	return 0;
}
