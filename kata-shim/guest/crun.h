// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_GUEST_CRUN_H
#define HOLDFAST_GUEST_CRUN_H

#include "common/base/buf.h"
#include "kata-shim/guest/agent.h"

/* Runs crun as a child, and hears from the loop how it ended. What it reads and says is in memory: it leaves no file behind. */
struct crun;

#define CRUN_ROOT GUEST_STATE "/crun" /* crun's own state */
#define CRUN_TIME_MAX_MS 60000        /* then it is killed; or a tenth of its time before the call that it serves ends */
#define CRUN_WORDS_MAX 384            /* of what it said, in the error */

struct crun_command {
	const char *const *args; /* NULL behind the last; "create", "--bundle=/", …, "id" */
	struct slice input;      /* copied; the command reads it at CRUN_INPUT */
	const int *stdio;        /* three descriptors that become its 0, 1 and 2; NULL: /dev/null */
	uint64_t left_ms;        /* of its call (ttrpc_call_left_ms); 0: no end */
};
#define CRUN_INPUT "/proc/self/fd/4"
#define CRUN_PID_FILE "/proc/self/fd/5" /* for --pid-file */

/* `pid`: what it wrote to the pid file; 0: nothing. `r` < 0: `err` has crun's own words. The run is freed. */
typedef void crun_ended(void *context, int r, pid_t pid, const struct error *err);

int crun_start(struct agent *agent, const struct crun_command *command, crun_ended *ended, void *context, struct crun **ret,
	       struct error *err) must_check;
/* It ends with ECANCELED soon. */
void crun_kill(struct crun *crun);
/* As crun_kill, but `ended` is not called. */
void crun_abandon(struct crun *crun);

#endif
