// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_VM_FORWARD_H
#define HOLDFAST_VM_FORWARD_H

#include "kata-shim/vm/agent/agent.h"

/*
 * kubectl port-forward: connections that a listener accepts in the pod's network namespace are carried to the same port of the guest's own
 * loopback, by its agent. Only the host begins one.
 *
 * A port where nobody listens, and a connection that is lost, are a reset to whoever connected. The end of one direction leaves the other.
 * Kata's agent cannot do this: with the first connection that is said, and nobody listens any more.
 */
#define FORWARDS_MAX 64 /* at a time; further ones are reset. As in kata-shim/guest/forward.h */

struct forwards;

/* The descriptors are the forwards' from now on, also if this fails; `steering` is kept open as long as the listener. */
int forwards_open(uv_loop_t *loop, struct agent *agent, int listener, int steering, struct forwards **ret, struct error *err) must_check;
/* All connections are reset. Before the agent is closed. Freed from the loop. Accepts NULL. */
void forwards_close(struct forwards *forwards);

#endif
