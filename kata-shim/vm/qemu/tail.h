// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_VM_QEMU_TAIL_H
#define HOLDFAST_VM_QEMU_TAIL_H

#include "common/base/slice.h"

/*
 * The last that a program said: of the guest's console and of QEMU's stderr, for the message when the VM is gone. What comes in may be
 * anything: escape sequences and control characters are dropped, what is not ASCII becomes '?', long lines are cut. No I/O, no memory but
 * this.
 */
#define TAIL_LINES 24     /* a panic and the trace behind it */
#define TAIL_LINE_MAX 200 /* bytes without the NUL; the rest of a line is dropped */

struct tail {
	char lines[TAIL_LINES][TAIL_LINE_MAX + 1];
	uint64_t n;           /* lines that have been begun, ever; the newest is lines[(n - 1) % TAIL_LINES] */
	size_t length;        /* of the newest */
	bool open;            /* the newest has no end yet */
	unsigned char escape; /* where in an escape sequence; 0: in none */
};

void tail_feed(struct tail *tail, struct slice bytes);

/* The last line but `skip`, or NULL. Empty ones do not count. Valid until the next tail_feed, as that of tail_find. */
const char *tail_line(const struct tail *tail, unsigned skip);

/* The newest line that has `text` in it, or NULL. */
const char *tail_find(const struct tail *tail, const char *text);

#endif
