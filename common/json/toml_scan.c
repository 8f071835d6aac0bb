// SPDX-License-Identifier: Apache-2.0
#include "common/json/toml_scan.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/base/show.h"
#include "common/base/utf8.h"

int toml_fail(const struct toml_scan *scan, struct error *err, const char *format, ...)
{
	char text[ERROR_MESSAGE_MAX];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	return error_set(err, EINVAL, "line %u: %s", scan->line, text);
}

bool toml_take(struct toml_scan *scan, char byte)
{
	if (toml_peek(scan) != (uint8_t)byte)
		return false;
	scan->p++;
	return true;
}

static bool take_line_end(struct toml_scan *scan)
{
	if (toml_peek(scan) == '\r' && scan->end - scan->p >= 2 && scan->p[1] == '\n')
		scan->p++;
	if (!toml_take(scan, '\n'))
		return false;
	scan->line++;
	return true;
}

void toml_skip_blanks(struct toml_scan *scan)
{
	while (toml_peek(scan) == ' ' || toml_peek(scan) == '\t')
		scan->p++;
}

static void skip_comment(struct toml_scan *scan)
{
	toml_skip_blanks(scan);
	if (toml_peek(scan) != '#')
		return;
	while (scan->p < scan->end && *scan->p != '\n')
		scan->p++;
}

void toml_skip_lines(struct toml_scan *scan)
{
	do
		skip_comment(scan);
	while (take_line_end(scan));
}

int toml_end_line(struct toml_scan *scan, struct error *err)
{
	skip_comment(scan);
	if (scan->p == scan->end || take_line_end(scan))
		return 0;
	return toml_fail(scan, err, "\"%s\" stands behind what should end the line", SHOW(slice_from(scan->p, 1)));
}

static int hexadecimal(struct toml_scan *scan, size_t digits, uint32_t *ret, struct error *err)
{
	*ret = 0;
	for (size_t i = 0; i < digits; i++) {
		uint8_t c = toml_peek(scan);

		if (!isxdigit(c))
			return toml_fail(scan, err, "an escape of %zu hexadecimal digits has fewer", digits);
		*ret = *ret << 4 | (uint32_t)(isdigit(c) ? c - '0' : (c | 0x20) - 'a' + 10);
		scan->p++;
	}
	return 0;
}

static int scan_code_point(struct toml_scan *scan, size_t digits, struct error *err)
{
	uint8_t bytes[4];
	uint32_t point;

	int r = hexadecimal(scan, digits, &point, err);
	if (r < 0)
		return r;
	if (point == 0 || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
		return toml_fail(scan, err, "U+%04X cannot stand in a string", (unsigned)point);
	buf_append(&scan->text, bytes, utf8_encode(point, bytes));
	return 0;
}

/* Behind the backslash. */
static int scan_escape(struct toml_scan *scan, bool lines, struct error *err)
{
	static const char names[] = "btnfr\"\\", bytes[] = "\b\t\n\f\r\"\\";
	uint8_t c = toml_peek(scan);
	const char *name = c ? strchr(names, c) : NULL;

	if (lines && (c == '\n' || c == '\r' || c == ' ' || c == '\t')) {
		toml_skip_blanks(scan);
		if (!take_line_end(scan))
			return toml_fail(scan, err, "a backslash before a blank must end its line");
		do
			toml_skip_blanks(scan);
		while (take_line_end(scan));
		return 0;
	}
	if (c)
		scan->p++;
	if (c == 'u' || c == 'U')
		return scan_code_point(scan, c == 'u' ? 4 : 8, err);
	if (!name)
		return toml_fail(scan, err, "\"\\%s\" is no escape", SHOW(slice_from(&c, c != 0)));
	buf_byte(&scan->text, (uint8_t)bytes[name - names]);
	return 0;
}

static bool take_three(struct toml_scan *scan, char quote)
{
	if (scan->end - scan->p < 3 || scan->p[0] != quote || scan->p[1] != quote || scan->p[2] != quote)
		return false;
	scan->p += 3;
	return true;
}

/* A quotation mark in a string of several lines: true if the string ends. Up to two marks before the three that end it are text. */
static bool ends_lines(struct toml_scan *scan, char quote)
{
	if (!take_three(scan, quote)) {
		buf_byte(&scan->text, *scan->p++);
		return false;
	}
	for (int i = 0; i < 2 && toml_take(scan, quote); i++)
		buf_byte(&scan->text, (uint8_t)quote);
	return true;
}

int toml_scan_string(struct toml_scan *scan, struct error *err)
{
	char quote = (char)*scan->p;
	bool lines = take_three(scan, quote);
	unsigned first = scan->line;

	buf_clear(&scan->text);
	if (lines)
		take_line_end(scan);
	else
		scan->p++;
	while (scan->p < scan->end) {
		uint8_t c = *scan->p;

		if (c == (uint8_t)quote) {
			if (!lines)
				scan->p++;
			if (!lines || ends_lines(scan, quote))
				return buf_check(&scan->text, "a string", err);
		} else if (c == '\\' && quote == '"') {
			scan->p++;
			int r = scan_escape(scan, lines, err);
			if (r < 0)
				return r;
		} else if (lines && take_line_end(scan)) {
			buf_byte(&scan->text, '\n');
		} else if ((c < 0x20 && c != '\t') || c == 0x7f) {
			return toml_fail(scan, err, "a string on one line holds a control character or does not end");
		} else {
			buf_byte(&scan->text, c);
			scan->p++;
		}
	}
	return error_set(err, EINVAL, "line %u: the string that begins here does not end", first);
}

static bool is_bare(uint8_t c)
{
	return isalnum(c) || c == '_' || c == '-';
}

int toml_scan_key(struct toml_scan *scan, struct error *err)
{
	if (toml_peek(scan) == '"' || toml_peek(scan) == '\'') {
		unsigned line = scan->line;

		int r = toml_scan_string(scan, err);
		if (r == 0 && scan->line != line)
			return toml_fail(scan, err, "a key cannot be a string of several lines");
		return r;
	}
	buf_clear(&scan->text);
	for (; is_bare(toml_peek(scan)); scan->p++)
		buf_byte(&scan->text, *scan->p);
	if (scan->text.n == 0)
		return toml_fail(scan, err, "a key is expected, not \"%s\"", SHOW(slice_from(scan->p, scan->p < scan->end)));
	return buf_check(&scan->text, "a key", err);
}

/* The blank between a date and its time. */
static bool splits_date(const struct toml_scan *scan)
{
	return *scan->p == ' ' && scan->text.n == 10 && scan->text.p[4] == '-' && scan->end - scan->p > 1 && isdigit(scan->p[1]);
}

int toml_scan_plain(struct toml_scan *scan, struct error *err)
{
	bool number = false;

	buf_clear(&scan->text);
	while (scan->p < scan->end && (is_bare(*scan->p) || strchr("+.:", *scan->p) || splits_date(scan))) {
		number |= isdigit(*scan->p) != 0;
		buf_byte(&scan->text, *scan->p++);
	}
	int r = buf_check(&scan->text, "a value", err);
	if (r < 0)
		return r;
	const char *text = buf_text(&scan->text);
	const char *word = text + strspn(text, "+-");
	if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0 || strcmp(word, "inf") == 0 || strcmp(word, "nan") == 0)
		return 0;
	if (!number || !isdigit((uint8_t)*word))
		return toml_fail(scan, err, "\"%s\" is no value; a string needs quotation marks",
				 SHOW(scan->text.n ? buf_view(&scan->text) : slice_from(scan->p, scan->p < scan->end)));
	return 0;
}
