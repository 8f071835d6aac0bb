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
	const char *version;  /* the VM's self-test is that of this version, as if it were the node's (prove.h). NULL: of the node's own */
};

/* Called once, from the loop; what cannot be tested has failed. */
typedef void trial_done(void *context, enum part part, const struct part_result *result);

/* NULL: out of memory. The options' texts are needed only during the call. */
struct trial *trial_start(uv_loop_t *loop, enum part part, const struct trial_options *options, trial_done *done,
			  void *context) must_check;

/* Ends it without a call, unless it is over. The loop must run until the process is gone, which takes down what it has made. */
void trial_cancel(struct trial *trial);

/* `holdfast-node in-root [--version ID] ROOT PROGRAM ARGUMENT…`: for the VM's self-test. */
int command_in_root(int argc, char **argv);

/* Its exit codes before the program runs: as of a shell, the program cannot be run; there is no way into the root. */
#define TRIAL_CANNOT_RUN 127
#define TRIAL_CANNOT_ENTER 126

#define TRIAL_PROGRAMS_OF_NODE "/opt/holdfast/bin"
#define TRIAL_WORDS 5

/* The first words of a command line by in-root, for a program of the node's; how many. `root` NULL: /. */
size_t trial_enter_words(const char *root, const char *version, const char *words[static TRIAL_WORDS]);

#endif
