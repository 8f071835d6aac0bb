// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_KUBECTL_CHILDREN_H
#define HOLDFAST_KUBECTL_CHILDREN_H

#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/error.h"
#include "deploy/kubectl/words.h"

/*
 * Programs that run at the same time, at most CHILDREN_PARALLEL of them; one that is slow or dead holds up none of the others, and is ended
 * when its time is over.
 */
#define CHILDREN_PARALLEL 16

enum child_end {
	CHILD_NOT_STARTED, /* start_error says why */
	CHILD_EXITED,
	CHILD_TIMED_OUT,
	CHILD_SAID_TOO_MUCH, /* more than out.maximum */
};

struct child {
	struct words words; /* the program, as execvp finds it, and its arguments */
	struct slice input; /* its standard input, the caller's; empty: /dev/null */
	struct buf out;     /* standard output; its maximum is the limit */
	struct buf errors;  /* standard error; what is beyond its maximum is left out */
	/* NULL: all is gathered in out. Else: called with each whole line, which is not kept. */
	void (*on_line)(const struct child *child, const char *line);
	void *context; /* the caller's */

	enum child_end end;
	int start_error; /* errno */
	int exit_code;   /* of CHILD_EXITED; 128 and the signal's number for one that a signal has ended */
};

#define CHILD_ERRORS_MAX (16 * 1024)
#define CHILD(maximum) ((struct child){ .out = BUF_MAX(maximum), .errors = BUF_MAX(CHILD_ERRORS_MAX) })

void child_clear(struct child *child);

/* Runs all of them to their end. `timeout_ms` is each one's own, from its start; 0: none. An error is only that of this process. */
int children_run(struct child *children, size_t n, uint64_t timeout_ms, struct error *err) must_check;

#endif
