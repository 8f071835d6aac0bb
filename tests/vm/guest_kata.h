// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TESTS_VM_GUEST_KATA_H
#define HOLDFAST_TESTS_VM_GUEST_KATA_H

/* Kata's program in a guest. */
#define GUEST_KATA "/kata-agent"

/*
 * Becomes Kata's agent, as process 1. It listens on vsock; where the kernel's command line has holdfast.channel=port, which it knows
 * nothing of, it listens on a socket, and what comes by the port is carried there and back. Modules are loaded, /dev and /sys are there.
 */
_Noreturn void guest_become_kata(void);

#endif
