// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TESTS_VETH_H
#define HOLDFAST_TESTS_VETH_H

#include "tests/net/fabric.h"

/*
 * A pod's network namespace at /run/netns/<name> with eth0, and its veth <name> on the fabric's node, as the ptp plugin makes them:
 * the inside is complete before the node has a route to it. By netlink, so that ten thousand are cheap.
 */
#define VETH_ADDRESSES 2

int veth_make(struct fabric *fabric, const char *name, const struct kube_address addresses[static VETH_ADDRESSES],
	      struct error *err) must_check;

/* Both its ends, at once: what ptp's DEL does after ours. */
int veth_delete(struct fabric *fabric, const char *name, struct error *err) must_check;

/* The name goes, and with it namespace and veth, once no process is in it any more. The kernel does that in its own time. */
int veth_forget(const char *name, struct error *err) must_check;

void veth_path(const char *name, char path[static 64]);

#endif
