// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TESTS_VM_COPIES_PAPER_GUEST_H
#define HOLDFAST_TESTS_VM_COPIES_PAPER_GUEST_H

#include <stdbool.h>

#include "common/base/buf.h"
#include "kata-shim/vm/copies/copies.h"

/*
 * Does to a directory of its own what the guest's agent does, and writes down each request. Answers from the loop, one request after the
 * other; a second one before the answer ends the test.
 */
struct paper_guest {
	uv_loop_t *loop;
	const char *directory;
	struct buf log; /* "file ..1/a 3@0 100644", "link ..data ..1", "dir ", "rm a"; a line each */
	bool hold;      /* do not answer */
	int refuse;     /* answer the next request with this errno */
	bool cannot_remove;
	void (*before_answer)(void *context); /* at each request */
	void *context;

	struct copy *copy;
	uv_timer_t answer;
	int pending; /* -1: none; 0 or an errno */
	unsigned copied, failed, ended;
	struct error why;
};

extern const struct copy_sink paper_sink; /* its context is the guest */

void paper_guest_open(struct paper_guest *guest, uv_loop_t *loop, const char *directory);
void paper_guest_close(struct paper_guest *guest);

/* Until `*count` is `wanted`; the test's alarm ends it in vain. */
void paper_guest_run(struct paper_guest *guest, const unsigned *count, unsigned wanted);
/* The log since the last call. */
const char *paper_guest_log(struct paper_guest *guest);

#endif
