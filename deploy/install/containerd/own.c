// SPDX-License-Identifier: Apache-2.0
#include "deploy/install/containerd/own.h"

#define BEGIN "# BEGIN holdfast: holdfast-node wrote these lines, and changes or removes them"
#define BEGIN_JOINED BEGIN "; the line above had no end"
#define END "# END holdfast\n"

/* The first line of `text`, with its end. */
static struct slice first_line(struct slice text)
{
	const uint8_t *end = text.n ? memchr(text.p, '\n', text.n) : NULL;

	return slice_from(text.p, end ? (size_t)(end - text.p) + 1 : text.n);
}

void own_strip(struct slice text, struct buf *out)
{
	bool ours = false;

	while (text.n > 0) {
		struct slice line = first_line(text);

		if (slice_equals_string(line, BEGIN_JOINED "\n") && out->n > 0 && out->p[out->n - 1] == '\n')
			out->p[--out->n] = 0;
		ours |= slice_equals_string(line, BEGIN "\n") || slice_equals_string(line, BEGIN_JOINED "\n");
		if (!ours)
			buf_slice(out, line);
		ours &= !slice_equals_string(line, END);
		text = slice_from(text.p + line.n, text.n - line.n);
	}
}

static void put(struct slice lines, const char *begin, struct buf *out)
{
	buf_printf(out, "%s\n", begin);
	buf_slice(out, lines);
	buf_string(out, END);
}

void own_put_first(struct slice text, struct slice lines, struct buf *out)
{
	put(lines, BEGIN, out);
	buf_slice(out, text);
}

void own_put_last(struct slice text, struct slice lines, struct buf *out)
{
	bool joined = text.n > 0 && text.p[text.n - 1] != '\n';

	buf_slice(out, text);
	if (joined)
		buf_byte(out, '\n');
	put(lines, joined ? BEGIN_JOINED : BEGIN, out);
}
