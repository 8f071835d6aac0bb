// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/seal/value.h"

#include <errno.h>

#include "common/base/base64.h"
#include "common/base/number.h"

void hex_print(struct slice bytes, struct buf *out)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < bytes.n; i++) {
		buf_byte(out, (uint8_t)digits[bytes.p[i] >> 4]);
		buf_byte(out, (uint8_t)digits[bytes.p[i] & 15]);
	}
}

static int value_of(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool hex_parse(struct slice text, uint8_t *ret, size_t n)
{
	if (text.n != 2 * n)
		return false;
	for (size_t i = 0; i < n; i++) {
		int high = value_of(text.p[2 * i]), low = value_of(text.p[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		ret[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

int hex_read(const struct json_view *at, uint8_t *ret, size_t n, struct error *err)
{
	const char *text;

	int r = json_expect_string(at, &text, err);
	if (r == 0 && !hex_parse(slice_string(text), ret, n))
		r = json_error(at, err, "\"%.80s\" is not %zu lower-case hexadecimal digits", text, 2 * n);
	return r;
}

int base64_read(const struct json_view *at, size_t maximum, struct buf *ret, struct error *err)
{
	_cleanup_(secret_free) struct secret bytes = {};
	struct error inner;
	const char *text;

	int r = json_expect_string(at, &text, err);
	if (r < 0)
		return r;
	r = base64_decode(slice_string(text), &bytes, &inner);
	if (r == -ENOMEM)
		return error_nomem(err);
	if (r < 0)
		return json_error(at, err, "%s", inner.message);
	if (bytes.n == 0 || bytes.n > maximum)
		return json_error(at, err, "has %zu bytes; 1 to %zu are possible", bytes.n, maximum);
	buf_append(ret, bytes.p, bytes.n);
	return buf_check(ret, "base64 value", err);
}

int decimal_read(const struct json_view *at, uint64_t *ret, struct error *err)
{
	struct error inner;
	const char *text;

	int r = json_expect_string(at, &text, err);
	if (r == 0 && number_parse_u64(slice_string(text), 1, UINT64_MAX, ret, &inner) < 0)
		r = json_error(at, err, "%s", inner.message);
	return r;
}
