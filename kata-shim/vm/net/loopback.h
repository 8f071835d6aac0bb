// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_VM_LOOPBACK_H
#define HOLDFAST_VM_LOOPBACK_H

#include "kata-shim/vm/net/namespace.h"

/*
 * Every TCP port of 127.0.0.0/8 in a pod's network namespace, whose own loopback nobody uses: the pod's servers are in its guest. What
 * connects there is the listener's to accept, and getsockname of the connection says to which port. It lasts as long as the descriptors:
 * nothing is left in the namespace by whoever dies.
 */
struct loopback {
	int listener; /* does not block. Accepted connections ask after a peer who says nothing for a minute (SO_KEEPALIVE) */
	int steering; /* a link of BPF: while it is open, the listener gets what is not its port's */
};

#define LOOPBACK_NONE ((struct loopback){ -1, -1 })

/* Needs Linux 5.9 with CONFIG_BPF_SYSCALL; else an error with the kernel's word. */
int loopback_open(const struct namespace *namespace, struct loopback *ret, struct error *err) must_check;
void loopback_close(struct loopback *loopback);

#endif
