// SPDX-License-Identifier: Apache-2.0
#include "common/base/help.h"

#include <ctype.h>
#include <string.h>

static size_t line_length(const char *at)
{
	return strcspn(at, "\n");
}

static bool begins_option(const char *at)
{
	return at[0] == '-' && (isalnum((unsigned char)at[1]) || (at[1] == '-' && isalpha((unsigned char)at[2])));
}

static size_t name_length(const char *at)
{
	size_t n = 1;

	while (isalnum((unsigned char)at[n]) || at[n] == '-')
		n++;
	return n;
}

/* "[NAME=]FILE" is a value, "[-o json]" and "[SECRET]..." are what follows. */
static bool begins_value(const char *at)
{
	if (isalnum((unsigned char)*at))
		return true;
	const char *end = *at == '[' && isupper((unsigned char)at[1]) ? strchr(at, ']') : NULL;
	return end && isalpha((unsigned char)end[1]);
}

/* Up to a space, or what closes or ends it; "|--other" begins another option, "|-" is standard input. */
static size_t value_length(const char *at)
{
	size_t n = 0, depth = 0;

	for (; at[n] && !isspace((unsigned char)at[n]); n++) {
		if (depth == 0 && (at[n] == ']' || at[n] == ',' || (at[n] == '|' && at[n + 1] == '-')))
			break;
		depth += at[n] == '[';
		depth -= at[n] == ']';
	}
	return n;
}

static struct slice read_value(const char *behind_name)
{
	const char *at = behind_name;

	if (at[0] == ',' && at[1] == ' ' && begins_option(at + 2)) /* "-f, --filename FILE" */
		at += 2 + name_length(at + 2);
	if ((*at != ' ' && *at != '=') || !begins_value(at + 1))
		return slice_from(at, 0);
	size_t n = value_length(at + 1);
	while (n > 0 && at[n] == '.') /* "NODE...": several */
		n--;
	return slice_from(at + 1, n);
}

struct slice help_argument(const char *text, const char *command)
{
	const char *at = strncmp(text, "usage: ", 7) == 0 ? strstr(text, command) : NULL;

	if (!at || at > text + line_length(text))
		return slice_from(NULL, 0);
	at += strlen(command);
	if (at[0] != ' ' || !isupper((unsigned char)at[1]))
		return slice_from(NULL, 0);
	return slice_from(at + 1, strspn(at + 1, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"));
}

/* What stands behind two spaces. In a row without it the next line has it. */
static struct slice read_about(const char *at)
{
	const char *end = at + line_length(at), *gap = at;

	while (gap < end && (gap[0] != ' ' || gap[1] != ' '))
		gap++;
	if (gap == end && *end && strncmp(end + 1, "          ", 10) == 0) {
		gap = end + 1;
		end = gap + line_length(gap);
	}
	while (gap < end && *gap == ' ')
		gap++;
	return slice_from(gap, (size_t)(end - gap));
}

static void enter_line(struct help_cursor *cursor)
{
	if (strncmp(cursor->at, "usage:", 6) == 0)
		cursor->in_usage = true;
	else if (*cursor->at == '\n')
		cursor->in_usage = false;
}

static bool is_row(const char *line)
{
	return strncmp(line, "  ", 2) == 0 && begins_option(line + 2);
}

static bool take_option(struct help_cursor *cursor, bool row, struct help_option *ret)
{
	size_t n = name_length(cursor->at);

	ret->name = slice_from(cursor->at, n);
	ret->value = read_value(cursor->at + n);
	ret->about = row ? read_about(cursor->at) : slice_from(NULL, 0);
	cursor->at += n;
	return true;
}

/* In a row, what stands behind the gap is prose. */
static bool find_in_line(struct help_cursor *cursor, bool row, struct help_option *ret)
{
	for (; *cursor->at && *cursor->at != '\n'; cursor->at++) {
		char before = cursor->at[-1];

		if (row && before == ' ' && *cursor->at == ' ')
			break;
		if (strchr(" [|", before) && begins_option(cursor->at))
			return take_option(cursor, row, ret);
	}
	cursor->at += line_length(cursor->at);
	return false;
}

bool help_next(struct help_cursor *cursor, struct help_option *ret)
{
	bool row = false;

	while (*cursor->at) {
		const bool inside = cursor->line != NULL;

		if (!inside) {
			enter_line(cursor);
			cursor->line = cursor->at;
		}
		row = is_row(cursor->line);
		if (!inside && (row || cursor->in_usage) && *cursor->at != '\n')
			cursor->at += row ? 2 : 1;
		if ((row || cursor->in_usage) && find_in_line(cursor, row, ret))
			return true;
		cursor->at += line_length(cursor->at);
		cursor->at += *cursor->at == '\n';
		cursor->line = NULL;
	}
	return false;
}
