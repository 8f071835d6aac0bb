// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_MANUAL_TROFF_H
#define HOLDFAST_MANUAL_TROFF_H

#include "common/base/buf.h"

/* Text as troff, with the macros of man(7). */

/* `n` bytes of a line: nothing of it is a request or an escape, and a dash is one that can be copied. */
void troff_text(const char *text, size_t n, struct buf *out);

/*
 * A program's help: its lines of usage, paragraphs, rows of options ("  --name VALUE   what it does", continued by indented lines), and
 * examples, which are other indented lines.
 */
void troff_help(const char *help, struct buf *out);

#endif
