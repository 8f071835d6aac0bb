// SPDX-License-Identifier: Apache-2.0
#include "common/base/buf.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/secret.h"
#include "common/base/utf8.h"

#define BUF_FIRST_CAPACITY 256

static void let_go(const struct buf *buf)
{
	if (buf->secret)
		secret_wipe(buf->p, buf->capacity);
	free(buf->p);
}

void buf_free(struct buf *buf)
{
	let_go(buf);
	*buf = (struct buf){ .maximum = buf->maximum, .secret = buf->secret };
}

void buf_clear(struct buf *buf)
{
	buf->n = 0;
	buf->failed = 0;
	if (buf->p)
		buf->p[0] = 0;
}

/* Doubles, but not beyond what the maximum and the final NUL need. */
static size_t grown_capacity(const struct buf *buf, size_t needed)
{
	size_t capacity = buf->capacity ? buf->capacity : BUF_FIRST_CAPACITY;

	while (capacity < needed) {
		if (__builtin_mul_overflow(capacity, (size_t)2, &capacity))
			return needed;
	}
	return capacity > buf->maximum && needed <= buf->maximum ? buf->maximum + 1 : capacity;
}

/* realloc leaves behind what it has moved. */
static uint8_t *grow(const struct buf *buf, size_t capacity)
{
	if (!buf->secret)
		return realloc(buf->p, capacity);
	uint8_t *p = malloc(capacity);
	if (p && buf->p) {
		memcpy(p, buf->p, buf->n);
		let_go(buf);
	}
	return p;
}

uint8_t *buf_reserve(struct buf *buf, size_t n)
{
	if (buf->failed)
		return NULL;
	if (n > buf->maximum - buf->n || buf->n + n == SIZE_MAX) {
		buf->failed = ENOBUFS;
		return NULL;
	}
	size_t needed = buf->n + n + 1;
	if (needed > buf->capacity) {
		size_t capacity = grown_capacity(buf, needed);
		uint8_t *p = grow(buf, capacity);
		if (!p) {
			buf->failed = ENOMEM;
			return NULL;
		}
		buf->p = p;
		buf->capacity = capacity;
		buf->p[buf->n] = 0; /* the content ends here, whether or not something is committed */
	}
	return buf->p + buf->n;
}

void buf_commit(struct buf *buf, size_t n)
{
	buf->n += n;
	buf->p[buf->n] = 0;
}

void buf_append(struct buf *buf, const void *p, size_t n)
{
	uint8_t *to = buf_reserve(buf, n);

	if (!to)
		return;
	if (n > 0)
		memcpy(to, p, n);
	buf_commit(buf, n);
}

void buf_string(struct buf *buf, const char *text)
{
	buf_append(buf, text, strlen(text));
}

void buf_slice(struct buf *buf, struct slice s)
{
	buf_append(buf, s.p, s.n);
}

void buf_byte(struct buf *buf, uint8_t byte)
{
	buf_append(buf, &byte, 1);
}

void buf_printf(struct buf *buf, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	int n = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (n < 0) {
		buf->failed = buf->failed ? buf->failed : ENOBUFS;
		return;
	}
	uint8_t *to = buf_reserve(buf, (size_t)n);
	if (!to)
		return;
	va_start(args, format);
	vsnprintf((char *)to, (size_t)n + 1, format, args);
	va_end(args);
	buf_commit(buf, (size_t)n);
}

static void json_character(struct buf *buf, const uint8_t *p, size_t length)
{
	if (length == 0)
		buf_string(buf, "\xef\xbf\xbd"); /* U+FFFD */
	else if (*p == '"' || *p == '\\')
		buf_printf(buf, "\\%c", *p);
	else if (*p == '\n')
		buf_string(buf, "\\n");
	else if (*p == '\t')
		buf_string(buf, "\\t");
	else if (*p < 0x20 || *p == 0x7f)
		buf_printf(buf, "\\u%04x", *p);
	else
		buf_append(buf, p, length);
}

void buf_json_string(struct buf *buf, struct slice text)
{
	buf_byte(buf, '"');
	while (text.n > 0) {
		size_t length = utf8_length(text.p, text.n);
		size_t step = length ? length : 1;
		json_character(buf, text.p, length);
		text = slice_from(text.p + step, text.n - step);
	}
	buf_byte(buf, '"');
}

static void separate(struct buf *buf, char opening)
{
	if (buf->n > 0 && buf->p[buf->n - 1] != (uint8_t)opening)
		buf_byte(buf, ',');
}

void buf_json_element(struct buf *buf, char bracket)
{
	separate(buf, '[');
	buf_byte(buf, (uint8_t)bracket);
}

void buf_json_key(struct buf *buf, const char *key)
{
	separate(buf, '{');
	buf_json_string(buf, slice_string(key));
	buf_byte(buf, ':');
}

void buf_json_member(struct buf *buf, const char *key, const char *value)
{
	buf_json_key(buf, key);
	buf_json_string(buf, slice_string(value));
}

void buf_json_number(struct buf *buf, const char *key, uint64_t value)
{
	buf_json_key(buf, key);
	buf_printf(buf, "%" PRIu64, value);
}

void buf_json_bool(struct buf *buf, const char *key, bool value)
{
	buf_json_key(buf, key);
	buf_string(buf, value ? "true" : "false");
}

void buf_consume(struct buf *buf, size_t n)
{
	if (n > buf->n)
		n = buf->n;
	if (n == 0)
		return;
	memmove(buf->p, buf->p + n, buf->n - n);
	buf->n -= n;
	buf->p[buf->n] = 0;
}

int buf_check(const struct buf *buf, const char *what, struct error *err)
{
	if (buf->failed == ENOMEM)
		return error_nomem(err);
	if (buf->failed)
		return error_set(err, buf->failed, "%s is larger than the limit of %zu bytes", what, buf->maximum);
	return 0;
}

char *buf_take_text(struct buf *buf)
{
	if (!buf_reserve(buf, 0))
		return NULL;
	buf_commit(buf, 0);
	char *text = (char *)TAKE_PTR(buf->p);
	buf_free(buf);
	return text;
}
