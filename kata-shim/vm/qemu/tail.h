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
	const char *keep; /* the newest line that has this in it is kept, however much is said behind it; NULL: none is */
	char kept[TAIL_LINE_MAX + 1];
	char lines[TAIL_LINES][TAIL_LINE_MAX + 1];
	uint64_t n;           /* lines that have been begun, ever; the newest is lines[(n - 1) % TAIL_LINES] */
	size_t length;        /* of the newest */
	bool open;            /* the newest has no end yet */
	unsigned char escape; /* where in an escape sequence; 0: in none */
};

void tail_feed(struct tail *tail, struct slice bytes);

/* The last line but `skip`, or NULL. Empty ones do not count. Valid until the next tail_feed. */
const char *tail_line(const struct tail *tail, unsigned skip);

/* The line that is kept, from that text on, or NULL. */
const char *tail_kept(const struct tail *tail);

#endif
