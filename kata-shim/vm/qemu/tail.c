// SPDX-License-Identifier: Apache-2.0
/*
 * Escape sequences as of ECMA-48: ESC and one character; ESC [ up to a letter; the strings that ESC ] P ^ _ X begin, up to BEL or ESC \.
 * Bytes from 0x80 on are never controls here, so nothing is hidden behind an 8-bit CSI.
 */
#include "kata-shim/vm/qemu/tail.h"

#include <string.h>

enum { NO_ESCAPE, ESCAPE, SEQUENCE, STRING, STRING_END };

#define ESC 0x1b
#define BEL 0x07
#define CAN 0x18 /* gives up a sequence, as SUB does */
#define SUB 0x1a

static unsigned char escape_next(unsigned char state, uint8_t c)
{
	switch (state) {
	case ESCAPE:
		if (c == '[')
			return SEQUENCE;
		if (memchr("]P^_X", c, 5))
			return STRING;
		return c >= 0x20 && c <= 0x2f ? ESCAPE : NO_ESCAPE;
	case SEQUENCE:
		return c >= 0x40 && c <= 0x7e ? NO_ESCAPE : SEQUENCE;
	case STRING:
		return c == BEL ? NO_ESCAPE : c == ESC ? STRING_END : STRING;
	default: /* STRING_END */
		return c == '\\' ? NO_ESCAPE : STRING;
	}
}

/* A new line ends every sequence: a program that is cut off in one must not silence the next. */
static bool is_hidden(struct tail *tail, uint8_t c)
{
	if (tail->escape == NO_ESCAPE && c != ESC)
		return false;
	if (c == '\n' || c == CAN || c == SUB) {
		tail->escape = NO_ESCAPE;
		return c != '\n';
	}
	if (tail->escape == NO_ESCAPE || (c == ESC && tail->escape != STRING))
		tail->escape = ESCAPE;
	else
		tail->escape = escape_next(tail->escape, c);
	return true;
}

const char *tail_line(const struct tail *tail, unsigned skip)
{
	if (skip >= TAIL_LINES || skip >= tail->n)
		return NULL;
	return tail->lines[(tail->n - 1 - skip) % TAIL_LINES];
}

static void put(struct tail *tail, char c)
{
	if (!tail->open) {
		if (c == ' ')
			return;
		tail->open = true;
		tail->n++;
		tail->length = 0;
	}
	if (tail->length == TAIL_LINE_MAX)
		return;
	char *line = tail->lines[(tail->n - 1) % TAIL_LINES];
	line[tail->length++] = c;
	line[tail->length] = 0;
}

static void end_line(struct tail *tail)
{
	const char *line = tail_line(tail, 0);

	if (tail->open && tail->keep && strstr(line, tail->keep))
		memcpy(tail->kept, line, sizeof(tail->kept));
	tail->open = false;
}

void tail_feed(struct tail *tail, struct slice bytes)
{
	for (size_t i = 0; i < bytes.n; i++) {
		const uint8_t c = bytes.p[i];
		if (is_hidden(tail, c))
			continue;
		if (c == '\n' || c == '\r')
			end_line(tail);
		else if (c == '\t' || c == ' ')
			put(tail, ' ');
		else if (c > 0x20 && c != 0x7f)
			put(tail, c < 0x7f ? (char)c : '?');
	}
}

const char *tail_kept(const struct tail *tail)
{
	return tail->keep ? strstr(tail->kept, tail->keep) : NULL;
}
