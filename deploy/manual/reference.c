// SPDX-License-Identifier: Apache-2.0
#include "deploy/manual/reference.h"

#include <ctype.h>
#include <string.h>

#include "deploy/manual/troff.h"

struct unit {
	int64_t ms;
	const char *name;
};

static const struct unit units[] = { { 60 * 60 * 1000, "h" }, { 60 * 1000, "m" }, { 1000, "s" }, { 1, "ms" } };

/* In the largest unit that has no remainder, as a person would write it. */
static void print_duration(int64_t ms, struct buf *out)
{
	const struct unit *unit = units;

	while (ms % unit->ms || ms < unit->ms)
		unit++;
	buf_printf(out, "%lld%s", (long long)(ms / unit->ms), unit->name);
}

static void print_number(const struct config_row *row, int64_t number, struct buf *out)
{
	if (row->type == CONFIG_DURATION)
		print_duration(number, out);
	else
		buf_printf(out, "%lld", (long long)number);
}

static void print_range(const struct config_row *row, const char *what, struct buf *out)
{
	buf_string(out, what);
	if (row->minimum) {
		buf_string(out, row->maximum ? " from " : " of at least ");
		print_number(row, row->minimum, out);
	}
	if (row->maximum) {
		buf_string(out, row->minimum ? " to " : " up to ");
		print_number(row, row->maximum, out);
	}
}

static void print_names(const char *const *names, struct buf *out)
{
	for (size_t i = 0; names[i]; i++)
		buf_printf(out, "%s%s", i == 0 ? "" : names[i + 1] ? ", " : " or ", names[i]);
}

void reference_type(const struct config_row *row, struct buf *out)
{
	switch (row->type) {
	case CONFIG_STRING:
		buf_string(out, "text");
		return;
	case CONFIG_PATH:
		buf_string(out, "absolute path");
		return;
	case CONFIG_BOOL:
		buf_string(out, "true or false");
		return;
	case CONFIG_INTEGER:
		print_range(row, "number", out);
		return;
	case CONFIG_DURATION:
		print_range(row, "duration", out);
		return;
	case CONFIG_ENUM:
		print_names(row->names, out);
		return;
	case CONFIG_CUSTOM:
		buf_string(out, "list");
		return;
	}
}

/* What Markdown would take for its own: a cell's end anywhere, an emphasis outside of code. */
static void print_cell(const char *text, struct buf *out)
{
	bool code = false;

	for (; *text; text++) {
		code ^= *text == '`';
		if (*text == '|' || (!code && (*text == '*' || *text == '<')))
			buf_byte(out, '\\');
		buf_byte(out, (uint8_t)*text);
	}
}

static void print_preset(const struct config_row *row, struct buf *out)
{
	if (row->preset)
		buf_printf(out, "`%s`", row->preset);
	else if (row->type == CONFIG_BOOL)
		buf_string(out, "`false`");
}

void reference_markdown(const struct config_section *section, struct buf *out)
{
	buf_printf(out, "## %s\n\n| key | value | default | meaning |\n|---|---|---|---|\n", section->name);
	for (size_t i = 0; i < section->n_rows; i++) {
		const struct config_row *row = &section->rows[i];

		buf_printf(out, "| `%s` | ", row->key);
		reference_type(row, out);
		buf_string(out, " | ");
		print_preset(row, out);
		buf_string(out, " | ");
		print_cell(row->help ? row->help : "", out);
		buf_string(out, " |\n");
	}
}

static void print_troff(const char *text, struct buf *out)
{
	troff_text(text, strlen(text), out);
}

static void troff_row(const struct config_row *row, struct buf *out)
{
	_cleanup_(buf_free) struct buf type = BUF_MAX(1024);
	const char *preset = row->preset ? row->preset : row->type == CONFIG_BOOL ? "false" : NULL;

	reference_type(row, &type);
	buf_string(out, ".TP\n\\fB");
	print_troff(row->key, out);
	buf_string(out, "\\fR\n(");
	print_troff(buf_text(&type), out);
	buf_string(out, preset ? "; default " : "");
	print_troff(preset ? preset : "", out);
	buf_string(out, ")\n.br\n");
	print_troff(row->help ? row->help : "", out);
	buf_byte(out, '\n');
}

void reference_troff(const struct config_section *section, struct buf *out)
{
	buf_string(out, ".SH ");
	for (const char *c = section->name; *c; c++)
		buf_byte(out, (uint8_t)toupper((unsigned char)*c));
	buf_byte(out, '\n');
	for (size_t i = 0; i < section->n_rows; i++)
		troff_row(&section->rows[i], out);
}
