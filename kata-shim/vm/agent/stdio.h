// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_VM_STDIO_H
#define HOLDFAST_VM_STDIO_H

#include <stdbool.h>

#include "kata-shim/vm/agent/agent.h"

/*
 * A process's standard streams, carried between containerd's fifos and the guest. Output is lost neither while containerd is away, nor by a
 * reader that is slow: the process waits then. A stream without a fifo is read and dropped, or ends at once for a process that reads it.
 */

/* Paths of containerd's fifos; NULL or "": none. */
struct vm_stdio {
	const char *in, *out, *err; /* with a terminal, `err` is not used */
	bool terminal;
};

struct stdio;

/* Opens the fifos, without waiting for their other ends. ENOENT; EINVAL: a path that is no fifo. */
int stdio_open(uv_loop_t *loop, const struct vm_stdio *paths, struct stdio **ret, struct error *err) must_check;

/*
 * The process runs: begins to carry. `drained` is called once, from the loop, when the guest has said the end of its output and all of it
 * is in the fifos, or the agent cannot be asked any more. The texts must outlive the streams.
 */
void stdio_start(struct stdio *stdio, struct agent *agent, const char *container, const char *exec, void (*drained)(void *context),
		 void *context);
bool stdio_is_terminal(const struct stdio *stdio);
/* A fifo is full: what the process says, and its end, wait for whoever reads it. */
bool stdio_waits_for_reader(const struct stdio *stdio);

/* No more input comes from us: after what is in the fifo, and what other writers still put there, the process sees the end of its input. */
void stdio_close_input(struct stdio *stdio);
/*
 * The process has ended: nobody reads its input, and the agent is not asked any more, which may be gone. Fifos of output are closed as soon
 * as their reader has taken what is in them.
 */
void stdio_end(struct stdio *stdio);
/* Closes all; calls nothing more. Freed from the loop. Accepts NULL. */
void stdio_close(struct stdio *stdio);

#endif
