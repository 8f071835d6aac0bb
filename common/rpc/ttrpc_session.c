// SPDX-License-Identifier: Apache-2.0
/*
 *	bytes ─► frames ─► side->take ─► handlers, receivers ─► out ─► sending ─► bytes
 *
 * What handlers say while bytes are fed is only queued, and whoever feeds sends it afterwards; what they say at another time wakes the
 * owner. Two buffers, so that what is being written stays where it is: all that was queued meanwhile is the next write. Both are freed when
 * they are empty.
 */
#include "common/rpc/ttrpc_session.h"

#include <errno.h>
#include <stdlib.h>

#include "common/base/array.h"

/* Statuses may pass the limit: they say that it is reached, at most once for each call and each frame of what one feed takes. */
#define OUT_MAX (TTRPC_UNSENT_MAX + TTRPC_MESSAGE_MAX)

int ttrpc_session_new(const struct ttrpc_session_options *options, struct ttrpc_session **ret, struct error *err)
{
	struct ttrpc_session *session = calloc(1, sizeof(*session));

	if (!session)
		return error_nomem(err);
	session->options = *options;
	session->side = options->services ? &ttrpc_server_side : &ttrpc_client_side;
	session->in = TTRPC_READER;
	session->out = session->sending = BUF_SECRET(OUT_MAX); /* files for a guest */
	session->deadline_ms = UINT64_MAX;
	session->load = options->services ? rpc_load_new(TTRPC_CALLS_MAX, options->load) : NULL;
	if (options->services && !session->load) {
		free(session);
		return error_nomem(err);
	}
	*ret = session;
	return 0;
}

void ttrpc_session_free(struct ttrpc_session *session, const struct error *why)
{
	if (!session)
		return;
	session->feeding = true; /* what handlers say now wakes nobody */
	while (session->n_streams > 0)
		session->side->drop(session->streams[session->n_streams - 1], why);
	free(session->streams);
	ttrpc_reader_free(&session->in);
	buf_free(&session->out);
	buf_free(&session->sending);
	rpc_load_unref(session->load);
	free(session);
}

static size_t unsent(const struct ttrpc_session *session)
{
	return session->out.n + session->sending.n;
}

static bool takes_frames(const struct ttrpc_session *session)
{
	bool is_client = !session->options.services;

	return !session->stopped && (is_client || unsent(session) < TTRPC_UNSENT_PAUSE);
}

void ttrpc_session_feed(struct ttrpc_session *session, struct slice *bytes)
{
	struct ttrpc_frame frame;

	session->feeding = true;
	while (takes_frames(session) && ttrpc_reader_next(&session->in, bytes, &frame))
		session->side->take(session, &frame);
	session->feeding = false;
}

void ttrpc_session_stop(struct ttrpc_session *session)
{
	session->stopped = true;
}

void ttrpc_session_wake(struct ttrpc_session *session)
{
	if (!session->feeding && session->options.wake)
		session->options.wake(session->options.context);
}

/* ── Output ── */

int ttrpc_session_output(struct ttrpc_session *session, struct slice *ret, struct error *err)
{
	if (session->broken)
		return error_set(err, ENOMEM, "out of memory: the peer could not be told how a call ended");
	if (session->sending.n == 0) {
		session->sending = session->out;
		session->out = BUF_SECRET(OUT_MAX);
	}
	*ret = buf_view(&session->sending);
	return 0;
}

void ttrpc_session_sent(struct ttrpc_session *session)
{
	buf_free(&session->sending);
}

int ttrpc_session_check_size(const struct ttrpc_session *session, size_t n, struct error *err)
{
	if (n > TTRPC_MESSAGE_MAX)
		return error_set(err, ENOBUFS, "message length %zu exceed maximum message size of %d", n, TTRPC_MESSAGE_MAX);
	if (unsent(session) + n > TTRPC_UNSENT_MAX)
		return error_set(err, ENOBUFS, "the peer does not take what it is sent: %zu bytes wait already", unsent(session));
	return 0;
}

size_t ttrpc_session_begin_frame(struct ttrpc_session *session)
{
	size_t at = session->out.n;

	if (buf_reserve(&session->out, TTRPC_HEADER_SIZE))
		buf_commit(&session->out, TTRPC_HEADER_SIZE);
	return at;
}

int ttrpc_session_end_frame(struct ttrpc_session *session, size_t at, struct ttrpc_frame frame, struct error *err)
{
	struct buf *out = &session->out;
	int r = buf_check(out, "ttrpc output", err);
	size_t n = r == 0 ? out->n - at - TTRPC_HEADER_SIZE : 0;

	if (n > TTRPC_MESSAGE_MAX)
		r = ttrpc_session_check_size(session, n, err);
	if (r < 0) {
		out->n = at;
		out->failed = 0;
		return r;
	}
	frame.length = (uint32_t)n;
	ttrpc_frame_write_header(&frame, out->p + at);
	return 0;
}

int ttrpc_session_send_data(struct ttrpc_session *session, uint32_t id, uint8_t flags, struct slice data, struct error *err)
{
	const struct ttrpc_frame frame = { .stream = id, .type = TTRPC_DATA, .flags = flags };
	int r = ttrpc_session_check_size(session, data.n, err);

	if (r < 0)
		return r;
	size_t at = ttrpc_session_begin_frame(session);
	buf_slice(&session->out, data);
	return ttrpc_session_end_frame(session, at, frame, err);
}

void ttrpc_session_close_stream(struct ttrpc_session *session, uint32_t id)
{
	const struct ttrpc_frame frame = { .stream = id, .type = TTRPC_DATA, .flags = TTRPC_REMOTE_CLOSED | TTRPC_NO_DATA };
	struct error ignored;

	if (ttrpc_session_end_frame(session, ttrpc_session_begin_frame(session), frame, &ignored) < 0)
		session->broken = true;
}

/* ── Streams ── */

bool ttrpc_session_has_room(struct ttrpc_session *session)
{
	return array_room((void **)&session->streams, session->n_streams, &session->capacity, sizeof(session->streams[0]));
}

void ttrpc_stream_add(struct ttrpc_stream *stream, struct ttrpc_session *session, uint32_t id, uint64_t timeout_ms)
{
	stream->session = session;
	stream->id = id;
	if (timeout_ms == 0 || __builtin_add_overflow(session->options.now_ms(session->options.context), timeout_ms, &stream->deadline_ms))
		stream->deadline_ms = UINT64_MAX;
	if (stream->deadline_ms < session->deadline_ms)
		session->deadline_ms = stream->deadline_ms;
	session->streams[session->n_streams++] = stream;
}

static int compare_id(const void *item, const void *key, size_t n)
{
	uint32_t a = (*(struct ttrpc_stream *const *)item)->id, b = *(const uint32_t *)key;

	return a < b ? -1 : a > b;
}

static bool find_position(const struct ttrpc_session *session, uint32_t id, size_t *ret)
{
	return array_search(session->streams, session->n_streams, sizeof(session->streams[0]), &id, compare_id, ret);
}

struct ttrpc_stream *ttrpc_stream_find(const struct ttrpc_session *session, uint32_t id)
{
	size_t position;

	return find_position(session, id, &position) ? session->streams[position] : NULL;
}

void ttrpc_stream_remove(struct ttrpc_stream *stream)
{
	struct ttrpc_session *session = TAKE_PTR(stream->session);
	size_t position;

	if (!session || !find_position(session, stream->id, &position))
		return;
	session->n_streams--;
	memmove(session->streams + position, session->streams + position + 1,
		(session->n_streams - position) * sizeof(session->streams[0]));
	if (session->n_streams > 0)
		return;
	free(TAKE_PTR(session->streams));
	session->capacity = 0;
	session->deadline_ms = UINT64_MAX;
}

/* ── Time ── */

uint64_t ttrpc_session_deadline_ms(const struct ttrpc_session *session)
{
	return session->deadline_ms;
}

static struct ttrpc_stream *first_expired(struct ttrpc_session *session, uint64_t now)
{
	session->deadline_ms = UINT64_MAX;
	for (size_t i = 0; i < session->n_streams; i++) {
		struct ttrpc_stream *stream = session->streams[i];

		if (stream->deadline_ms <= now)
			return stream;
		if (stream->deadline_ms < session->deadline_ms)
			session->deadline_ms = stream->deadline_ms;
	}
	return NULL;
}

/* From the beginning each time: what hears of it may begin and end other calls. */
void ttrpc_session_expire(struct ttrpc_session *session)
{
	uint64_t now = session->options.now_ms(session->options.context);
	struct ttrpc_stream *stream;

	session->feeding = true;
	while ((stream = first_expired(session, now)))
		session->side->expire(stream);
	session->feeding = false;
}
