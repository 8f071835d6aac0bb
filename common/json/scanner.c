// SPDX-License-Identifier: Apache-2.0
#include "common/json/scanner.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/base/utf8.h"

#define NUMBER_LENGTH_MAX 63 /* cJSON cuts longer ones (parse_number in cJSON.c) */

int scan_fail(const struct scanner *s, const uint8_t *at, int code, struct error *err, const char *format, ...)
{
	const uint8_t *line_start = s->start;
	size_t line = 1;
	char text[256];
	va_list args;

	for (const uint8_t *p = s->start; p < at; p++) {
		if (*p == '\n') {
			line++;
			line_start = p + 1;
		}
	}
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return error_set(err, code, "line %zu, column %zu: %s", line, (size_t)(at - line_start) + 1, text);
}

int scan_fail_expected(const struct scanner *s, const char *expected, struct error *err)
{
	if (s->at == s->end)
		return scan_fail(s, s->at, EINVAL, err, "the text ends where %s is expected", expected);
	if (*s->at > 0x20 && *s->at < 0x7f)
		return scan_fail(s, s->at, EINVAL, err, "'%c' stands where %s is expected", *s->at, expected);
	return scan_fail(s, s->at, EINVAL, err, "byte 0x%02x stands where %s is expected", *s->at, expected);
}

static bool hex_value(uint8_t c, uint32_t *ret)
{
	if (c >= '0' && c <= '9')
		*ret = c - '0';
	else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
		*ret = (uint32_t)((c | 0x20) - 'a' + 10);
	else
		return false;
	return true;
}

/* The four digits behind \u. */
static int scan_unit(struct scanner *s, uint32_t *ret, struct error *err)
{
	uint32_t unit = 0;

	for (int i = 0; i < 4; i++) {
		uint32_t digit;
		if (s->at == s->end || !hex_value(*s->at, &digit))
			return scan_fail_expected(s, "a hexadecimal digit of \\u", err);
		unit = unit << 4 | digit;
		s->at++;
	}
	*ret = unit;
	return 0;
}

static int scan_unicode_escape(struct scanner *s, const uint8_t *escape, struct error *err)
{
	uint32_t unit, low;

	int r = scan_unit(s, &unit, err);
	if (r < 0)
		return r;
	if (unit == 0)
		return scan_fail(s, escape, EINVAL, err, "\\u0000 in a string");
	if (unit < 0xd800 || unit > 0xdfff)
		return 0;
	if (unit > 0xdbff || !scan_take(s, '\\') || !scan_take(s, 'u'))
		return scan_fail(s, escape, EINVAL, err, "half of a surrogate pair");
	r = scan_unit(s, &low, err);
	if (r < 0)
		return r;
	if (low < 0xdc00 || low > 0xdfff)
		return scan_fail(s, escape, EINVAL, err, "half of a surrogate pair");
	return 0;
}

static int scan_escape(struct scanner *s, struct error *err)
{
	const uint8_t *escape = s->at++;

	if (s->at == s->end || !*s->at || !strchr("\"\\/bfnrtu", *s->at))
		return scan_fail_expected(s, "one of \" \\ / b f n r t u behind a backslash", err);
	if (*s->at++ != 'u')
		return 0;
	return scan_unicode_escape(s, escape, err);
}

int scan_string(struct scanner *s, struct slice *ret_raw, struct error *err)
{
	const uint8_t *open = s->at++;

	for (;;) {
		if (s->at == s->end)
			return scan_fail(s, open, EINVAL, err, "the string that begins here does not end");
		if (*s->at == '"')
			break;
		if (*s->at == '\\') {
			int r = scan_escape(s, err);
			if (r < 0)
				return r;
			continue;
		}
		if (*s->at < 0x20)
			return scan_fail(s, s->at, EINVAL, err, "control character 0x%02x in a string", *s->at);
		size_t length = utf8_length(s->at, (size_t)(s->end - s->at));
		if (length == 0)
			return scan_fail(s, s->at, EINVAL, err, "invalid UTF-8");
		s->at += length;
	}
	*ret_raw = slice_from(open + 1, (size_t)(s->at - open) - 1);
	s->at++;
	return 0;
}

static bool scan_digits(struct scanner *s)
{
	const uint8_t *first = s->at;

	while (s->at < s->end && *s->at >= '0' && *s->at <= '9')
		s->at++;
	return s->at > first;
}

int scan_number(struct scanner *s, struct error *err)
{
	const uint8_t *first = s->at;

	scan_take(s, '-');
	if (!scan_take(s, '0') && !scan_digits(s))
		return scan_fail_expected(s, "a digit", err);
	if (scan_take(s, '.') && !scan_digits(s))
		return scan_fail_expected(s, "a digit", err);
	if (scan_take(s, 'e') || scan_take(s, 'E')) {
		if (!scan_take(s, '+'))
			scan_take(s, '-');
		if (!scan_digits(s))
			return scan_fail_expected(s, "a digit", err);
	}
	if (s->at - first > NUMBER_LENGTH_MAX)
		return scan_fail(s, first, E2BIG, err, "a number of more than %d characters", NUMBER_LENGTH_MAX);
	return 0;
}

int scan_literal(struct scanner *s, const char *literal, struct error *err)
{
	struct slice rest;

	if (!slice_skip_prefix(slice_from(s->at, (size_t)(s->end - s->at)), literal, &rest))
		return scan_fail_expected(s, "a value", err);
	s->at = rest.p;
	return 0;
}
