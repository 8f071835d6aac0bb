// SPDX-License-Identifier: Apache-2.0
#include "common/base/base64.h"

#include <errno.h>
#include <stdlib.h>

#include "common/base/cleanup.h"

static int value_of(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static int invalid(size_t at, struct error *err)
{
	return error_set(err, EINVAL, "is not base64 (byte %zu)", at + 1);
}

int base64_decode(struct slice text, struct secret *ret, struct error *err)
{
	_cleanup_(secret_free) struct secret out = {};
	uint32_t bits = 0;
	unsigned n_digits = 0, n_padding = 0;

	out.p = calloc(1, text.n / 4 * 3 + 4);
	if (!out.p)
		return error_nomem(err);
	for (size_t i = 0; i < text.n; i++) {
		uint8_t c = text.p[i];
		int value = value_of(c);
		if (c == '\n' || c == '\r')
			continue;
		if (c == '=' ? n_digits % 4 < 2 : (value < 0 || n_padding > 0))
			return invalid(i, err);
		n_padding += c == '=';
		bits = bits << 6 | (uint32_t)(value < 0 ? 0 : value);
		if (++n_digits % 4 != 0)
			continue;
		out.p[out.n++] = (uint8_t)(bits >> 16);
		out.p[out.n++] = (uint8_t)(bits >> 8);
		out.p[out.n++] = (uint8_t)bits;
	}
	if (n_digits % 4 != 0 || n_padding > 2)
		return invalid(text.n, err);
	out.n -= n_padding;
	if (n_padding > 0 && (out.p[out.n] != 0 || (n_padding == 2 && out.p[out.n + 1] != 0)))
		return invalid(text.n, err); /* bits behind the last byte: the same bytes could be written in two ways */
	out.p[out.n] = 0;
	*ret = out;
	out = (struct secret){};
	return 0;
}

void base64_encode(struct slice bytes, struct buf *out)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < bytes.n; i += 3) {
		size_t n = bytes.n - i < 3 ? bytes.n - i : 3;
		uint32_t bits = (uint32_t)bytes.p[i] << 16 | (n > 1 ? (uint32_t)bytes.p[i + 1] << 8 : 0) | (n > 2 ? bytes.p[i + 2] : 0);

		for (size_t j = 0; j < 4; j++)
			buf_byte(out, j <= n ? (uint8_t)digits[bits >> (18 - 6 * j) & 63] : '=');
	}
}
