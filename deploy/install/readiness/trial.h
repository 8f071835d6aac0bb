// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_READINESS_TRIAL_H
#define HOLDFAST_READINESS_TRIAL_H

#include <uv.h>

#include "deploy/install/readiness/part.h"

/* The self-test of one part, in a process of its own, on the loop. */
struct trial;

struct trial_options {
	const char *programs; /* the directory of Holdfast's programs; NULL: this one's own */
	const char *root;     /* of the node, as this container has it mounted: the VM's self-test is run in there. NULL: / */
};

/* Called once, from the loop; what cannot be tested has failed. */
typedef void trial_done(void *context, enum part part, const struct part_result *result);

/* NULL: out of memory. The options' texts are needed only during the call. */
struct trial *trial_start(uv_loop_t *loop, enum part part, const struct trial_options *options, trial_done *done,
			  void *context) must_check;

/* Ends it without a call, unless it is over. The loop must run until the process is gone, which takes down what it has made. */
void trial_cancel(struct trial *trial);

/* `holdfast-node in-root ROOT PROGRAM ARGUMENT…`: for the VM's self-test. */
int command_in_root(int argc, char **argv);

#endif
