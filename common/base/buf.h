// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_BASE_BUF_H
#define HOLDFAST_BASE_BUF_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/cleanup.h"
#include "common/base/error.h"
#include "common/base/slice.h"

/*
 * A growing byte buffer with a maximum from birth and a sticky error: append freely, check once with buf_check.
 * After a failed append nothing more is added. The content is always followed by a NUL that is not counted.
 *
 *	_cleanup_(buf_free) struct buf out = BUF_MAX(64 * 1024);
 */
struct buf {
	uint8_t *p;
	size_t n;
	size_t capacity;
	size_t maximum; /* bytes of content that may ever be in it */
	int failed;     /* 0, ENOMEM or ENOBUFS (maximum reached) */
	bool secret;    /* its memory is overwritten before it is freed, also when it grows */
};

#define BUF_MAX(max) ((struct buf){ .maximum = (max) })
#define BUF_SECRET(max) ((struct buf){ .maximum = (max), .secret = true })

void buf_free(struct buf *buf);

/* Empties the buffer and forgets its error; keeps the memory. */
void buf_clear(struct buf *buf);

void buf_append(struct buf *buf, const void *p, size_t n);
void buf_string(struct buf *buf, const char *text);
void buf_slice(struct buf *buf, struct slice s);
void buf_byte(struct buf *buf, uint8_t byte);
void buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* `text` as a JSON string with its quotes. Control characters are escaped; broken UTF-8 becomes U+FFFD. */
void buf_json_string(struct buf *buf, struct slice text);

/* Opens an object or array, '{' or '[', as the next element of an array: behind a comma unless it is the first. */
void buf_json_element(struct buf *buf, char bracket);
/* A member's key, behind a comma unless it is the first of its object; then the member whole. */
void buf_json_key(struct buf *buf, const char *key);
void buf_json_member(struct buf *buf, const char *key, const char *value);
void buf_json_number(struct buf *buf, const char *key, uint64_t value);
void buf_json_bool(struct buf *buf, const char *key, bool value);

/* Room for n bytes at the end (or NULL, error sticks); buf_commit then counts what was written there. */
uint8_t *buf_reserve(struct buf *buf, size_t n);
void buf_commit(struct buf *buf, size_t n);

/* Removes the first n bytes (all, if it holds fewer). */
void buf_consume(struct buf *buf, size_t n);

static inline struct slice buf_view(const struct buf *buf)
{
	return slice_from(buf->p, buf->n);
}

/* The content as a C string; "" if empty. Valid until the next change. */
static inline const char *buf_text(const struct buf *buf)
{
	return buf->p ? (const char *)buf->p : "";
}

/* 0, or the sticky error. `what` names the buffer's content in the message: "ruleset text". */
int buf_check(const struct buf *buf, const char *what, struct error *err) must_check;

/* Hands the content to the caller as a C string (to be freed); the buffer is empty afterwards. NULL if out of memory or failed. */
char *buf_take_text(struct buf *buf) must_check;

#endif
