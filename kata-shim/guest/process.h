// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_GUEST_PROCESS_H
#define HOLDFAST_GUEST_PROCESS_H

#include "kata-shim/guest/crun.h"
#include "kata-shim/guest/stream.h"

/*
 * A process that the shim knows: a container's first, or one that was executed in it.
 *
 *	made ──► running ──► ended       made: crun makes it. A container's first runs crun until StartContainer.
 *
 * Two seconds after its end its streams end, too, although a descendant may hold them.
 */
struct container;

#define PROCESS_WAITERS_MAX 16
#define PROCESS_DRAIN_MS 2000

enum process_state { PROCESS_MADE, PROCESS_RUNNING, PROCESS_ENDED };

struct process {
	uv_timer_t timer; /* the first: freed with it */
	struct agent *agent;
	struct container *container;
	char *id;
	enum process_state state;
	pid_t pid;
	int status; /* once it has ended: its exit code, or 128 and its signal */
	bool terminal;
	bool waited; /* somebody has been told how it ended */
	struct stream *in, *out, *err;
	struct ttrpc_call *waiters[PROCESS_WAITERS_MAX];
	size_t n_waiters;
	struct process *next;
	/* While crun makes it. */
	struct crun *crun;
	struct ttrpc_call *making; /* whose it is */
	int ends[3];               /* that the process gets; -1 */
	int console;               /* listens for its terminal; -1 */
};

/* `ended` is called when it has ended, before those who wait are told. */
int process_new(struct agent *agent, struct container *container, const char *id, bool terminal, struct process **ret,
		struct error *err) must_check;
/* Those who wait and read are told that it is no more. Accepts NULL. The process itself is not killed. */
void process_free(struct process *process);

/* Where `crun --console-socket` connects, for a process with a terminal; removed when it has. */
struct process_console {
	char path[64];
};
struct process_console process_console(const struct process *process);

/* Its descriptors for crun, NULL for a process with a terminal. */
const int *process_stdio(const struct process *process);
/* crun has made it: from now on it is watched. */
int process_settle(struct process *process, pid_t pid, struct error *err) must_check;

int process_signal(const struct process *process, int signal, struct error *err) must_check;
/*
 * Ends the call when the process has ended. One that was executed is forgotten then: at once if it had ended before the call came, else
 * when its streams are drained.
 */
void process_wait(struct process *process, struct ttrpc_call *call);

#endif
