// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_GUEST_FORWARD_H
#define HOLDFAST_GUEST_FORWARD_H

#include "kata-shim/guest/stream.h"

/*
 * TCP connections that the shim asks for, to ports of the guest's loopback, where the pod's servers listen (kubectl port-forward). Their
 * two directions are streams, as a process's stdin and stdout.
 *
 *	connecting ──► open ──► gone      gone: it could not be made, or Disconnect
 */
struct forwards;

#define FORWARDS_MAX 64

struct forwards *forwards_new(uv_loop_t *loop) must_check; /* NULL: no memory */
/* Who waits and reads is told that it is over. Accepts NULL. */
void forwards_free(struct forwards *forwards);

/* The stream STDIN_FILENO or STDOUT_FILENO of one that is open; of another number NULL, which has ended. ENOENT */
int forward_find(struct forwards *forwards, const char *name, int number, struct stream **ret, struct error *err) must_check;

#endif
