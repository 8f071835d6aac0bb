// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "common/config/config.h"

#define HELP_WIDTH 100

static void indent(struct buf *out, size_t depth)
{
	for (size_t i = 0; i < depth; i++)
		buf_string(out, "  ");
}

/* Wraps at spaces. */
static void print_help(struct buf *out, size_t depth, const char *help)
{
	while (*help) {
		size_t n = strlen(help);
		if (n > HELP_WIDTH) {
			for (n = HELP_WIDTH; n > 0 && help[n] != ' '; n--)
				;
			if (n == 0)
				n = strcspn(help, " ");
		}
		indent(out, depth);
		buf_printf(out, "# %.*s\n", (int)n, help);
		help += n;
		help += strspn(help, " ");
	}
}

static void print_limits(struct buf *out, size_t depth, const struct config_row *row)
{
	if (row->type == CONFIG_ENUM) {
		indent(out, depth);
		for (size_t i = 0; row->names[i]; i++)
			buf_printf(out, "%s%s", i ? ", " : "# One of: ", row->names[i]);
		buf_byte(out, '\n');
	}
	if (row->type == CONFIG_INTEGER && row->maximum) {
		indent(out, depth);
		buf_printf(out, "# From %lld to %lld.\n", (long long)row->minimum, (long long)row->maximum);
	}
}

/* How many bytes of the parents, dots included, both keys share. */
static size_t shared_parents(const char *a, const char *b)
{
	size_t shared = 0;

	for (size_t i = 0; a[i] && a[i] == b[i]; i++) {
		if (a[i] == '.')
			shared = i + 1;
	}
	return shared;
}

static size_t count_dots(const char *text, size_t n)
{
	size_t dots = 0;

	for (size_t i = 0; i < n; i++)
		dots += text[i] == '.';
	return dots;
}

/* Opens the parents of `key` that `before` does not have; returns the last part of the key. */
static const char *print_parents(struct buf *out, const char *before, const char *key)
{
	size_t at = shared_parents(before, key);
	const char *dot;

	while ((dot = strchr(key + at, '.'))) {
		indent(out, 1 + count_dots(key, at));
		buf_printf(out, "%.*s:\n", (int)(dot - (key + at)), key + at);
		at = (size_t)(dot - key) + 1;
	}
	return key + at;
}

/* Addresses such as "[::1]:9470" would be read as a list without quotes. */
static bool needs_quotes(const struct config_row *row)
{
	return (row->type == CONFIG_STRING || row->type == CONFIG_ENUM) && row->preset;
}

void config_print(const struct config_section *section, struct buf *out)
{
	const char *before = "";

	buf_string(out, "# Every key stands with its default; remove the # in front of a key to change it.\n");
	buf_printf(out, "%s:\n", section->name);
	for (size_t i = 0; i < section->n_rows; i++) {
		const struct config_row *row = &section->rows[i];
		const char *quote = needs_quotes(row) ? "\"" : "";
		const char *name = print_parents(out, before, row->key);
		size_t depth = 1 + count_dots(row->key, strlen(row->key));
		print_help(out, depth, row->help ? row->help : "");
		print_limits(out, depth, row);
		indent(out, depth);
		buf_printf(out, "#%s:%s%s%s%s\n", name, row->preset ? " " : "", quote, row->preset ? row->preset : "", quote);
		before = row->key;
	}
}
