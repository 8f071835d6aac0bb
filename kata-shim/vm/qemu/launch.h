// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_VM_QEMU_LAUNCH_H
#define HOLDFAST_VM_QEMU_LAUNCH_H

#include "kata-shim/vm/qemu/vmm.h"

/* Starts QEMU's process, and does not wait until it says anything. */
struct launched {
	pid_t pid;
	int pidfd;
	int qmp, console; /* sockets */
	int output;       /* a pipe: its stdout and stderr */
	int channel;      /* the agent's stream; -1: … */
	uint32_t cid;     /* … to be connected by vsock */
};
#define LAUNCHED_NONE ((struct launched){ .pid = -1, .pidfd = -1, .qmp = -1, .console = -1, .output = -1, .channel = -1 })

/* All descriptors are the caller's, and the process. */
int launch(const struct vmm_options *options, struct launched *ret, struct error *err) must_check;

/* Closes what is open; the process goes on. */
void launched_close(struct launched *launched);

#endif
