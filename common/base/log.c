// SPDX-License-Identifier: Apache-2.0
/*
 * Each event is built in one bounded buffer and leaves with one write(2), so that lines of several processes
 * that share a stderr do not mix. Logging never fails the caller: what cannot be written is lost.
 */
#include "common/base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/base/array.h"
#include "common/base/buf.h"

#define LINE_MAX_BYTES 4096

static enum log_level minimum_level = LOG_LEVEL_INFO;
static enum log_format line_format = LOG_FORMAT_LOGFMT;

static const char *const level_names[] = { "debug", "info", "warn", "error" };
static const char *const format_names[] = { "logfmt", "json" };

static bool name_parse(const char *text, const char *const *names, size_t n, size_t *ret)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(text, names[i]) == 0) {
			*ret = i;
			return true;
		}
	}
	return false;
}

bool log_level_parse(const char *text, enum log_level *ret)
{
	size_t i;

	if (!name_parse(text, level_names, ELEMENTS_OF(level_names), &i))
		return false;
	*ret = (enum log_level)i;
	return true;
}

bool log_format_parse(const char *text, enum log_format *ret)
{
	size_t i;

	if (!name_parse(text, format_names, ELEMENTS_OF(format_names), &i))
		return false;
	*ret = (enum log_format)i;
	return true;
}

void log_setup(enum log_level level, enum log_format format)
{
	minimum_level = level;
	line_format = format;
}

bool log_enabled(enum log_level level)
{
	return level >= minimum_level;
}

struct log_number log_number_format(long long value)
{
	struct log_number number;

	snprintf(number.text, sizeof(number.text), "%lld", value);
	return number;
}

static bool needs_quotes(const char *value)
{
	if (!*value)
		return true;
	for (const unsigned char *c = (const unsigned char *)value; *c; c++) {
		if (*c <= ' ' || *c == '"' || *c == '=' || *c == '\\' || *c == 0x7f)
			return true;
	}
	return false;
}

static void add_field(struct buf *line, const char *key, const char *value)
{
	if (line_format == LOG_FORMAT_JSON) {
		buf_byte(line, line->n ? ',' : '{');
		buf_json_string(line, slice_string(key));
		buf_byte(line, ':');
		buf_json_string(line, slice_string(value));
		return;
	}
	if (line->n)
		buf_byte(line, ' ');
	buf_string(line, key);
	buf_byte(line, '=');
	if (needs_quotes(value))
		buf_json_string(line, slice_string(value));
	else
		buf_string(line, value);
}

static void add_time(struct buf *line)
{
	struct timespec now;
	struct tm utc;
	char date[32];
	char text[48];

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &utc);
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &utc);
	snprintf(text, sizeof(text), "%s.%03ldZ", date, now.tv_nsec / 1000000);
	add_field(line, "time", text);
}

static void write_line(const struct buf *line)
{
	ssize_t ignored = write(STDERR_FILENO, line->p, line->n);

	(void)ignored;
}

/* Adds the field whole or not at all, so that a cut line is still well formed. */
static bool add_field_whole(struct buf *line, const char *key, const char *value)
{
	size_t before = line->n;

	add_field(line, key, value);
	if (!line->failed)
		return true;
	line->n = before;
	line->failed = 0;
	return false;
}

void log_event(enum log_level level, const char *message, ...)
{
	_cleanup_(buf_free) struct buf line = BUF_MAX(LINE_MAX_BYTES);
	va_list args;

	if (!log_enabled(level))
		return;
	add_time(&line);
	add_field(&line, "level", level_names[level]);
	add_field_whole(&line, "msg", message);
	va_start(args, message);
	const char *key;
	bool whole = true;
	while ((key = va_arg(args, const char *))) {
		const char *value = va_arg(args, const char *);
		whole = add_field_whole(&line, key, value ? value : "") && whole;
	}
	va_end(args);
	line.maximum += 32;
	if (!whole)
		add_field(&line, "cut", "true");
	buf_string(&line, line_format == LOG_FORMAT_JSON ? "}\n" : "\n");
	write_line(&line);
}
