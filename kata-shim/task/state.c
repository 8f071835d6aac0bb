// SPDX-License-Identifier: Apache-2.0
#include "kata-shim/task/state.h"

#include <errno.h>

#define S(state) (1u << PROCESS_##state)

struct verb_row {
	unsigned from;                    /* the states in which it can begin */
	bool moves;                       /* through `between` to `done` */
	enum process_state between, done; /* DELETE: there is nothing after it */
};

static const struct verb_row rows[PROCESS_VERBS] = {
	[VERB_START] = { S(CREATED), true, PROCESS_STARTING, PROCESS_RUNNING },
	[VERB_PAUSE] = { S(RUNNING), true, PROCESS_PAUSING, PROCESS_PAUSED },
	[VERB_RESUME] = { S(PAUSED), true, PROCESS_RESUMING, PROCESS_RUNNING },
	[VERB_DELETE] = { S(CREATED) | S(STOPPED), true, PROCESS_DELETING, PROCESS_DELETING },
	[VERB_KILL] = { S(CREATED) | S(STARTING) | S(RUNNING) | S(PAUSING) | S(PAUSED) | S(RESUMING) },
	[VERB_EXEC] = { S(CREATED) | S(STARTING) | S(RUNNING) },
	[VERB_RESIZE] = { S(CREATED) | S(STARTING) | S(RUNNING) | S(PAUSING) | S(PAUSED) | S(RESUMING) },
	[VERB_CLOSE_IO] = { S(CREATED) | S(STARTING) | S(RUNNING) | S(PAUSING) | S(PAUSED) | S(RESUMING) | S(STOPPED) },
	[VERB_UPDATE] = { S(CREATED) | S(STARTING) | S(RUNNING) | S(PAUSING) | S(PAUSED) | S(RESUMING) },
	[VERB_STATS] = { S(CREATED) | S(STARTING) | S(RUNNING) | S(PAUSING) | S(PAUSED) | S(RESUMING) | S(STOPPED) },
};

const char *const process_state_names[PROCESS_STATES] = {
	[PROCESS_CREATING] = "being created",
	[PROCESS_CREATED] = "created, not started",
	[PROCESS_STARTING] = "being started",
	[PROCESS_RUNNING] = "running",
	[PROCESS_PAUSING] = "being paused",
	[PROCESS_PAUSED] = "paused",
	[PROCESS_RESUMING] = "being resumed",
	[PROCESS_STOPPED] = "stopped",
	[PROCESS_DELETING] = "being deleted",
};

const char *const process_verb_names[PROCESS_VERBS] = {
	[VERB_START] = "start",
	[VERB_PAUSE] = "pause",
	[VERB_RESUME] = "resume",
	[VERB_DELETE] = "delete",
	[VERB_KILL] = "kill",
	[VERB_EXEC] = "execute a process in",
	[VERB_RESIZE] = "resize the terminal of",
	[VERB_CLOSE_IO] = "close the input of",
	[VERB_UPDATE] = "update",
	[VERB_STATS] = "measure",
};

static int code_of(enum process_state state, enum process_verb verb)
{
	if (state == PROCESS_CREATING || state == PROCESS_DELETING)
		return ENOENT;
	return state == PROCESS_STOPPED && verb == VERB_KILL ? ESRCH : ESTALE;
}

int process_begin(enum process_state *state, enum process_verb verb, struct error *err)
{
	const struct verb_row *row = &rows[verb];

	if (row->from & 1u << *state) {
		if (row->moves)
			*state = row->between;
		return 0;
	}
	if (*state == PROCESS_STOPPED && verb == VERB_KILL)
		return error_set(err, ESRCH, "cannot kill it: process already finished");
	return error_set(err, code_of(*state, verb), "cannot %s it: it is %s", process_verb_names[verb], process_state_names[*state]);
}

void process_created(enum process_state *state)
{
	if (*state == PROCESS_CREATING)
		*state = PROCESS_CREATED;
}

/* The state from which a verb that moves began. Only DELETE has two: what is deleted in vain has ended, or is killed with the next try. */
static enum process_state before(enum process_verb verb)
{
	for (unsigned state = 0; state < PROCESS_STATES; state++) {
		if (rows[verb].from == 1u << state)
			return (enum process_state)state;
	}
	return PROCESS_STOPPED;
}

void process_end(enum process_state *state, enum process_verb verb, bool done)
{
	const struct verb_row *row = &rows[verb];

	if (row->moves && *state == row->between)
		*state = done ? row->done : before(verb);
}

bool process_exit(enum process_state *state)
{
	if (*state == PROCESS_STOPPED || *state == PROCESS_DELETING)
		return false;
	*state = PROCESS_STOPPED;
	return true;
}
