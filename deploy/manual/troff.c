// SPDX-License-Identifier: Apache-2.0
#include "deploy/manual/troff.h"

#include <stdbool.h>
#include <string.h>

#define CONTINUED 10 /* spaces before a line that continues a row */

void troff_text(const char *text, size_t n, struct buf *out)
{
	static const struct {
		char c;
		const char *escape;
	} escapes[] = { { '\\', "\\e" }, { '-', "\\-" }, { '\'', "\\(aq" }, { '`', "\\(ga" }, { '^', "\\(ha" }, { '~', "\\(ti" } };

	if (n > 0 && (*text == '.' || *text == '\''))
		buf_string(out, "\\&");
	for (size_t i = 0; i < n; i++) {
		const char *escape = NULL;
		for (size_t k = 0; k < sizeof(escapes) / sizeof(escapes[0]); k++)
			escape = escapes[k].c == text[i] ? escapes[k].escape : escape;
		if (escape)
			buf_string(out, escape);
		else
			buf_byte(out, (uint8_t)text[i]);
	}
}

enum block { NO_BLOCK, LITERAL, ROW };

struct page {
	struct buf *out;
	enum block block;
	bool in_usage;
};

static void enter(struct page *page, enum block block)
{
	if (page->block == LITERAL && block != LITERAL)
		buf_string(page->out, ".fi\n.RE\n");
	if (block == LITERAL && page->block != LITERAL)
		buf_string(page->out, ".PP\n.RS 2\n.nf\n");
	if (page->block == ROW && block == NO_BLOCK)
		buf_string(page->out, ".PP\n");
	page->block = block;
}

static void print_line(const char *text, size_t n, bool bold, struct buf *out)
{
	buf_string(out, bold ? "\\fB" : "");
	troff_text(text, n, out);
	buf_string(out, bold ? "\\fR\n" : "\n");
}

static void print_row(struct page *page, const char *line, size_t n)
{
	const char *gap = memmem(line + 2, n - 2, "  ", 2);
	size_t width = gap ? (size_t)(gap - line) - 2 : n - 2;

	enter(page, ROW);
	buf_string(page->out, ".TP\n");
	print_line(line + 2, width, true, page->out);
	while (gap && gap < line + n && *gap == ' ')
		gap++;
	if (gap)
		print_line(gap, n - (size_t)(gap - line), false, page->out);
}

static void print_usage_line(struct page *page, const char *line, size_t n)
{
	enter(page, LITERAL);
	buf_string(page->out, "\\&");
	print_line(line, n, true, page->out);
}

static void print_help_line(struct page *page, const char *line, size_t n)
{
	size_t spaces = strspn(line, " ");

	if (strncmp(line, "usage: ", 7) == 0) {
		page->in_usage = true;
		print_usage_line(page, line + 7, n - 7);
	} else if (n == 0) {
		page->in_usage = false;
		enter(page, NO_BLOCK);
		buf_string(page->out, ".PP\n");
	} else if (page->in_usage) {
		print_usage_line(page, line + (spaces < 7 ? spaces : 7), n - (spaces < 7 ? spaces : 7));
	} else if (spaces >= CONTINUED && page->block == ROW) {
		print_line(line + spaces, n - spaces, false, page->out);
	} else if (spaces >= 2 && line[2] == '-') {
		print_row(page, line, n);
	} else if (spaces >= 2) {
		enter(page, LITERAL);
		print_line(line + 2, n - 2, false, page->out);
	} else {
		enter(page, NO_BLOCK);
		print_line(line, n, false, page->out);
	}
}

void troff_help(const char *help, struct buf *out)
{
	struct page page = { .out = out };

	while (*help) {
		size_t n = strcspn(help, "\n");

		print_help_line(&page, help, n);
		help += n + (help[n] == '\n');
	}
	enter(&page, NO_BLOCK);
}
