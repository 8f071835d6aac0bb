// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TASK_STATE_H
#define HOLDFAST_TASK_STATE_H

#include <stdbool.h>

#include "common/base/error.h"

/*
 * The life of a process as containerd sees it: a container's first process, or one that is executed in it (which cannot be paused). Each
 * verb takes its time, since the guest has to do it, and so it begins, and then is done or has failed:
 *
 *	creating ──→ created ──→ starting ──→ running ⇄ pausing, resuming ⇄ paused
 *	    │           │            │           │            (exit)           │
 *	    │           │            └───────────┴──────────→ stopped ←────────┘
 *	    └ failed    └──→ deleting (and gone) ←───────────────┘
 *
 * A process that was created and never started can end too: it was killed.
 */
enum process_state {
	PROCESS_CREATING,
	PROCESS_CREATED,
	PROCESS_STARTING,
	PROCESS_RUNNING,
	PROCESS_PAUSING,
	PROCESS_PAUSED,
	PROCESS_RESUMING,
	PROCESS_STOPPED,
	PROCESS_DELETING,
};
#define PROCESS_STATES 9

enum process_verb {
	VERB_START,
	VERB_PAUSE,
	VERB_RESUME,
	VERB_DELETE,
	/* These change nothing here. */
	VERB_KILL,
	VERB_EXEC, /* of the container's first process: may another one be executed beside it */
	VERB_RESIZE,
	VERB_CLOSE_IO,
	VERB_UPDATE,
	VERB_STATS,
};
#define PROCESS_VERBS 10

extern const char *const process_state_names[PROCESS_STATES]; /* "running" */
extern const char *const process_verb_names[PROCESS_VERBS];   /* "start" */

/*
 * Whether `verb` can begin, and then it has. ESTALE: not in this state. ESRCH: it has ended, which containerd takes for done ("process
 * already finished"). ENOENT: it is not there yet, or almost gone. The message begins with "cannot <verb>"; the caller puts the process in
 * front of it.
 */
int process_begin(enum process_state *state, enum process_verb verb, struct error *err) must_check;

/* What was begun is done, or has failed and nothing is changed. A process that has ended in the meantime stays so. */
void process_created(enum process_state *state);
void process_end(enum process_state *state, enum process_verb verb, bool done);

/* It has ended. False: that was known. */
bool process_exit(enum process_state *state);

#endif
