// SPDX-License-Identifier: Apache-2.0
/*
 * Keys are compared where they stand, without a decoded copy: a reader gives one decoded byte after the other.
 * "\u0061" and "a" are the same key, so a duplicate cannot hide behind an escape.
 */
#include "common/json/raw.h"

#include "common/base/utf8.h"
#include "common/json/json_text.h"

struct reader {
	struct slice left;
	uint8_t bytes[4]; /* of an escape, decoded */
	size_t n, given;
};

static uint32_t hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return (uint32_t)((c | 0x20) - 'a' + 10) & 0xf;
}

static bool read_unit(struct slice *left, uint32_t *ret)
{
	uint32_t unit = 0;

	if (left->n < 6 || left->p[0] != '\\' || left->p[1] != 'u')
		return false;
	for (size_t i = 2; i < 6; i++)
		unit = unit << 4 | hex_digit(left->p[i]);
	*left = slice_from(left->p + 6, left->n - 6);
	*ret = unit;
	return true;
}

static uint32_t read_code_point(struct slice *left)
{
	uint32_t high, low;

	if (!read_unit(left, &high)) {
		*left = slice_from(NULL, 0);
		return 0;
	}
	struct slice behind = *left;
	if (high < 0xd800 || high > 0xdbff || !read_unit(&behind, &low))
		return high;
	*left = behind;
	return 0x10000 + ((high & 0x3ff) << 10 | (low & 0x3ff));
}

static uint8_t plain_escape(uint8_t c)
{
	switch (c) {
	case 'b':
		return '\b';
	case 'f':
		return '\f';
	case 'n':
		return '\n';
	case 'r':
		return '\r';
	case 't':
		return '\t';
	default:
		return c;
	}
}

static void decode_escape(struct reader *reader)
{
	struct slice *left = &reader->left;

	reader->given = 0;
	if (left->n >= 2 && left->p[1] != 'u') {
		reader->bytes[0] = plain_escape(left->p[1]);
		reader->n = 1;
		*left = slice_from(left->p + 2, left->n - 2);
		return;
	}
	reader->n = utf8_encode(read_code_point(left), reader->bytes);
}

/* The next decoded byte, or -1 at the end. */
static int next_byte(struct reader *reader)
{
	if (reader->given == reader->n && reader->left.n > 0 && reader->left.p[0] == '\\')
		decode_escape(reader);
	if (reader->given < reader->n)
		return reader->bytes[reader->given++];
	if (reader->left.n == 0)
		return -1;
	int c = reader->left.p[0];
	reader->left = slice_from(reader->left.p + 1, reader->left.n - 1);
	return c;
}

static bool has_escape(struct slice raw)
{
	return raw.n > 0 && memchr(raw.p, '\\', raw.n);
}

static int compare_bytes(struct slice a, struct slice b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int r = n > 0 ? memcmp(a.p, b.p, n) : 0;

	return r != 0 ? r : (a.n > b.n) - (a.n < b.n);
}

int json_raw_compare(struct slice a, struct slice b)
{
	if (!has_escape(a) && !has_escape(b))
		return compare_bytes(a, b);
	struct reader reader_a = { .left = a };
	struct reader reader_b = { .left = b };
	int byte_a, byte_b;
	do {
		byte_a = next_byte(&reader_a);
		byte_b = next_byte(&reader_b);
	} while (byte_a == byte_b && byte_a >= 0);
	return byte_a - byte_b;
}

bool json_raw_equals(struct slice raw, const char *text)
{
	struct reader reader = { .left = raw };
	const uint8_t *expected = (const uint8_t *)text;
	int byte;

	while ((byte = next_byte(&reader)) >= 0) {
		if (*expected == 0 || *expected++ != byte)
			return false;
	}
	return *expected == 0;
}

static struct slice skip_space(struct slice text)
{
	while (text.n > 0 && json_is_space(text.p[0]))
		text = slice_from(text.p + 1, text.n - 1);
	return text;
}

/* The length of the string at the start of `text`, with its quotes. */
static size_t string_length(struct slice text)
{
	for (size_t i = 1; i < text.n; i++) {
		if (text.p[i] == '\\')
			i++;
		else if (text.p[i] == '"')
			return i + 1;
	}
	return text.n;
}

static bool ends_scalar(uint8_t c)
{
	return json_is_space(c) || c == ',' || c == '}' || c == ']';
}

static size_t value_length(struct slice text)
{
	size_t depth = 0;
	size_t i = 0;

	while (i < text.n) {
		uint8_t c = text.p[i];
		if (depth == 0 && i > 0 && ends_scalar(c))
			return i;
		if (c == '"') {
			i += string_length(slice_from(text.p + i, text.n - i));
		} else {
			depth += c == '{' || c == '[';
			depth -= depth > 0 && (c == '}' || c == ']');
			i++;
		}
		if (depth == 0 && (c == '"' || c == '}' || c == ']'))
			return i;
	}
	return text.n;
}

bool json_raw_member(struct slice text, const char *key, struct slice *ret_value)
{
	text = skip_space(text);
	if (text.n == 0 || text.p[0] != '{')
		return false;
	for (;;) {
		text = skip_space(slice_from(text.p + 1, text.n - 1));
		if (text.n == 0 || text.p[0] != '"')
			return false;
		size_t n = string_length(text);
		struct slice name = slice_from(text.p + 1, n < 2 ? 0 : n - 2);
		text = skip_space(slice_from(text.p + n, text.n - n));
		if (text.n == 0 || text.p[0] != ':')
			return false;
		text = skip_space(slice_from(text.p + 1, text.n - 1));
		n = value_length(text);
		if (json_raw_equals(name, key)) {
			*ret_value = slice_from(text.p, n);
			return n > 0;
		}
		text = skip_space(slice_from(text.p + n, text.n - n));
		if (text.n == 0 || text.p[0] != ',')
			return false;
	}
}

bool json_raw_element(struct slice *rest, struct slice *ret_value)
{
	struct slice text = skip_space(*rest);

	if (text.n == 0 || (text.p[0] != '[' && text.p[0] != ','))
		return false;
	text = skip_space(slice_from(text.p + 1, text.n - 1));
	size_t n = text.n > 0 && text.p[0] != ']' ? value_length(text) : 0;
	*ret_value = slice_from(text.p, n);
	*rest = slice_from(text.p + n, text.n - n);
	return n > 0;
}
