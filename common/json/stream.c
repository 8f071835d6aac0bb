// SPDX-License-Identifier: Apache-2.0
/*
 * A byte automaton. Around the pieces it is strict; inside a piece it only follows strings and brackets, because whoever
 * takes the piece parses it anyway. A piece that lies whole in the fed bytes is passed on where it stands; only a piece that
 * is cut by the end of a chunk is copied.
 *
 *   START ─{→ FIRST_KEY ─"→ KEY_TEXT ─"→ COLON ─:→ VALUE ──→ PIECE ──→ AFTER_MEMBER ─}→ END
 *                             ↑                     │ items             │ ,
 *                             └──────── KEY ←───────┼───────────────────┘
 *                                                   └[→ FIRST_ITEM ─{→ PIECE ──→ AFTER_ITEM ─]→ AFTER_MEMBER
 *                                                                        ↑ ITEM ←─,─┘
 *   For JSON_STREAM_DOCUMENTS only START ─{→ PIECE ──→ START.
 */
#include "common/json/stream.h"

#include <errno.h>
#include <stdlib.h>

#include "common/base/buf.h"
#include "common/json/follower.h"
#include "common/json/raw.h"

#define KEPT_MAX (64 * 1024) /* a larger buffer is given back when its piece is done */

enum state { START, FIRST_KEY, KEY, KEY_TEXT, COLON, VALUE, FIRST_ITEM, ITEM, AFTER_ITEM, AFTER_MEMBER, END, PIECE };

struct json_stream {
	enum json_stream_mode mode;
	enum state state;
	bool broken;

	enum json_piece_kind kind; /* of the piece that is being read */
	struct follower follower;
	struct buf kept; /* its bytes from earlier chunks */

	uint8_t key[JSON_STREAM_KEY_MAX];
	size_t key_n;
	bool key_is_items, items_seen;
};

struct sink {
	int (*piece)(void *context, const struct json_piece *piece, struct error *err);
	void *context;
};

struct json_stream *json_stream_new(enum json_stream_mode mode, size_t piece_bytes_max)
{
	struct json_stream *stream = calloc(1, sizeof(*stream));

	if (!stream)
		return NULL;
	stream->mode = mode;
	stream->kept = BUF_MAX(piece_bytes_max);
	return stream;
}

void json_stream_free(struct json_stream *stream)
{
	if (!stream)
		return;
	buf_free(&stream->kept);
	free(stream);
}

static int fail_expected(const char *expected, uint8_t c, struct error *err)
{
	if (c > 0x20 && c < 0x7f)
		return error_set(err, EINVAL, "'%c' stands where %s is expected in the stream", c, expected);
	return error_set(err, EINVAL, "byte 0x%02x stands where %s is expected in the stream", c, expected);
}

static void begin_piece(struct json_stream *stream, enum json_piece_kind kind, uint8_t first)
{
	stream->state = PIECE;
	stream->kind = kind;
	stream->follower = follower_begin(first);
}

static int end_key(struct json_stream *stream, struct error *err)
{
	stream->key_is_items = slice_equals_string(slice_from(stream->key, stream->key_n), "items");
	if (stream->key_is_items && stream->items_seen)
		return error_set(err, EINVAL, "the list has \"items\" twice");
	stream->items_seen |= stream->key_is_items;
	stream->state = COLON;
	return 0;
}

static int key_byte(struct json_stream *stream, uint8_t c, struct error *err)
{
	if (c == '"')
		return end_key(stream, err);
	if (c == '\\' || c < 0x20)
		return fail_expected("a plain key of a list", c, err);
	if (stream->key_n == sizeof(stream->key))
		return error_set(err, E2BIG, "a key of the list is longer than %zu bytes", sizeof(stream->key));
	stream->key[stream->key_n++] = c;
	return 0;
}

static bool begins_scalar(uint8_t c)
{
	return c == '-' || (c >= '0' && c <= '9') || c == 't' || c == 'f' || c == 'n';
}

static int value_byte(struct json_stream *stream, uint8_t c, struct error *err)
{
	if (stream->key_is_items && c == '[') {
		stream->state = FIRST_ITEM;
		return 0;
	}
	if (stream->key_is_items && c != 'n')
		return fail_expected("the array \"items\"", c, err);
	if (c != '"' && c != '{' && c != '[' && !begins_scalar(c))
		return fail_expected("a value", c, err);
	begin_piece(stream, JSON_PIECE_MEMBER, c);
	return 0;
}

static int key_begins(struct json_stream *stream, uint8_t c, const char *expected, struct error *err)
{
	if (c != '"')
		return fail_expected(expected, c, err);
	stream->key_n = 0;
	stream->state = KEY_TEXT;
	return 0;
}

static int item_begins(struct json_stream *stream, uint8_t c, const char *expected, struct error *err)
{
	if (c != '{')
		return fail_expected(expected, c, err);
	begin_piece(stream, JSON_PIECE_ITEM, c);
	return 0;
}

static int start_byte(struct json_stream *stream, uint8_t c, struct error *err)
{
	if (c != '{')
		return fail_expected("'{'", c, err);
	if (stream->mode == JSON_STREAM_DOCUMENTS)
		begin_piece(stream, JSON_PIECE_DOCUMENT, c);
	else
		stream->state = FIRST_KEY;
	return 0;
}

/* Moves to `next` if c is `wanted`, and to `other` if it is ','. */
static int closing_byte(struct json_stream *stream, uint8_t c, uint8_t wanted, enum state next, enum state other, struct error *err)
{
	if (c == wanted)
		stream->state = next;
	else if (c == ',')
		stream->state = other;
	else
		return fail_expected(wanted == '}' ? "',' or '}'" : "',' or ']'", c, err);
	return 0;
}

/* One byte outside of a piece. If a piece begins with it, the state is PIECE afterwards and the byte belongs to the piece. */
static int outer_byte(struct json_stream *stream, uint8_t c, struct error *err)
{
	if (stream->state != KEY_TEXT && json_is_space(c))
		return 0;
	switch (stream->state) {
	case START:
		return start_byte(stream, c, err);
	case FIRST_KEY:
		if (c == '}') {
			stream->state = END;
			return 0;
		}
		return key_begins(stream, c, "a key or '}'", err);
	case KEY:
		return key_begins(stream, c, "a key", err);
	case KEY_TEXT:
		return key_byte(stream, c, err);
	case COLON:
		if (c != ':')
			return fail_expected("':'", c, err);
		stream->state = VALUE;
		return 0;
	case VALUE:
		return value_byte(stream, c, err);
	case FIRST_ITEM:
		if (c == ']') {
			stream->state = AFTER_MEMBER;
			return 0;
		}
		return item_begins(stream, c, "an object or ']'", err);
	case ITEM:
		return item_begins(stream, c, "an object", err);
	case AFTER_ITEM:
		return closing_byte(stream, c, ']', AFTER_MEMBER, ITEM, err);
	case AFTER_MEMBER:
		return closing_byte(stream, c, '}', END, KEY, err);
	case END:
		return fail_expected("the end of the list", c, err);
	case PIECE:
		break;
	}
	return error_set(err, EINVAL, "the stream is in no state");
}

static enum state state_after(enum json_piece_kind kind)
{
	switch (kind) {
	case JSON_PIECE_DOCUMENT:
		return START;
	case JSON_PIECE_ITEM:
		return AFTER_ITEM;
	case JSON_PIECE_MEMBER:
		return AFTER_MEMBER;
	}
	return END;
}

static int emit(struct json_stream *stream, struct slice text, const struct sink *sink, struct error *err)
{
	struct json_piece piece = { .kind = stream->kind, .text = text };

	stream->state = state_after(stream->kind);
	if (stream->kind == JSON_PIECE_MEMBER) {
		piece.key = slice_from(stream->key, stream->key_n);
		if (stream->key_is_items)
			return slice_equals_string(text, "null") ? 0 : error_set(err, EINVAL, "\"items\" is no array");
	}
	return sink->piece(sink->context, &piece, err);
}

static int keep(struct json_stream *stream, struct slice part, struct error *err)
{
	if (part.n > stream->kept.maximum - stream->kept.n)
		return error_set(err, E2BIG, "an object of the stream is larger than the limit of %zu bytes", stream->kept.maximum);
	buf_slice(&stream->kept, part);
	return buf_check(&stream->kept, "an object of the stream", err);
}

static void forget_kept(struct json_stream *stream)
{
	if (stream->kept.capacity > KEPT_MAX)
		buf_free(&stream->kept);
	else
		buf_clear(&stream->kept);
}

static int end_piece(struct json_stream *stream, struct slice part, const struct sink *sink, struct error *err)
{
	bool copied = stream->kept.n > 0;

	if (copied || part.n > stream->kept.maximum) {
		int r = keep(stream, part, err);
		if (r < 0)
			return r;
		part = buf_view(&stream->kept);
	}
	int r = emit(stream, part, sink, err);
	if (copied)
		forget_kept(stream);
	return r;
}

static int feed_all(struct json_stream *stream, struct slice bytes, const struct sink *sink, struct error *err)
{
	while (bytes.n > 0) {
		size_t n = 1;
		int r = 0;
		if (stream->state != PIECE) {
			r = outer_byte(stream, bytes.p[0], err);
			n = stream->state == PIECE ? 0 : 1;
		} else {
			bool ended = false;
			n = follower_run(&stream->follower, bytes, &ended);
			struct slice part = slice_from(bytes.p, n);
			r = ended ? end_piece(stream, part, sink, err) : keep(stream, part, err);
		}
		if (r < 0)
			return r;
		bytes = slice_from(bytes.p + n, bytes.n - n);
	}
	return 0;
}

int json_stream_feed(struct json_stream *stream, struct slice bytes,
		     int (*piece)(void *context, const struct json_piece *piece, struct error *err), void *context, struct error *err)
{
	struct sink sink = { .piece = piece, .context = context };

	if (stream->broken)
		return error_set(err, EINVAL, "the stream is broken since an earlier error");
	int r = feed_all(stream, bytes, &sink, err);
	stream->broken = r < 0;
	return r;
}

int json_stream_finish(const struct json_stream *stream, struct error *err)
{
	enum state wanted = stream->mode == JSON_STREAM_DOCUMENTS ? START : END;

	if (stream->broken)
		return error_set(err, EINVAL, "the stream is broken since an earlier error");
	if (stream->state != wanted)
		return error_set(err, EINVAL, "the stream ends in the middle of %s",
				 stream->mode == JSON_STREAM_DOCUMENTS ? "an object" : "the list");
	return 0;
}
