// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_JSON_STREAM_H
#define HOLDFAST_JSON_STREAM_H

#include <stddef.h>

#include "common/base/cleanup.h"
#include "common/base/error.h"
#include "common/base/slice.h"

/*
 * Cuts a long JSON answer into pieces while it arrives, in chunks of any size, without I/O, so that a list of 10,000 pods never
 * sits in memory whole: only the piece that is not complete yet is kept. The pieces do not depend on how the bytes were
 * chunked. Library hf_json_text.
 */
enum json_stream_mode {
	JSON_STREAM_DOCUMENTS, /* a sequence of objects, with or without white space in between: a watch */
	JSON_STREAM_LIST,      /* one object, whose member "items" is an array of objects or null or absent: a list, a Status */
};

enum json_piece_kind {
	JSON_PIECE_DOCUMENT, /* JSON_STREAM_DOCUMENTS: one whole document */
	JSON_PIECE_ITEM,     /* JSON_STREAM_LIST: one element of "items" */
	JSON_PIECE_MEMBER,   /* JSON_STREAM_LIST: every other top-level member: kind, metadata, code, message, ... */
};

/* Slices are valid during the call only. */
struct json_piece {
	enum json_piece_kind kind;
	struct slice key;  /* MEMBER: the key without its quotes; else empty */
	struct slice text; /* the raw value. Only strings and brackets were followed: json_parse or json_check says whether it is valid. */
};

/* What the API server may send as one object (etcd's limit is 1.5 MiB; managedFields are inside). */
#define JSON_STREAM_PIECE_MAX (2 * 1024 * 1024)

#define JSON_STREAM_KEY_MAX 64 /* top-level keys in JSON_STREAM_LIST */

struct json_stream;

/* `piece_bytes_max` limits each piece. NULL if out of memory. */
struct json_stream *json_stream_new(enum json_stream_mode mode, size_t piece_bytes_max) must_check;
void json_stream_free(struct json_stream *stream);
DEFINE_CLEANUP(struct json_stream *, json_stream_free);

/*
 * Takes all of `bytes` and calls `piece` for each piece that they complete, in order. `piece` returns 0, or a negative value (with
 * err set) that ends the feed and is returned. It must not feed or free the stream. EINVAL: no JSON, or not of the mode's shape;
 * E2BIG: a piece above the limit; ENOMEM. After any error the stream stays broken: every later call fails.
 */
int json_stream_feed(struct json_stream *stream, struct slice bytes,
		     int (*piece)(void *context, const struct json_piece *piece, struct error *err), void *context,
		     struct error *err) must_check;

/* To be asked at the end of the input: EINVAL if a piece (or, for a list, the list) is not complete. */
int json_stream_finish(const struct json_stream *stream, struct error *err) must_check;

#endif
