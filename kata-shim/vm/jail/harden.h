// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_VM_JAIL_HARDEN_H
#define HOLDFAST_VM_JAIL_HARDEN_H

#include "common/sandbox/sandbox.h"

/*
 * What the shim itself may still do once QEMU and virtiofsd run, which is before it reads the first byte that a guest has made. It stays
 * root, because it mounts for later containers. It starts no program any more, makes no namespace, enters none but for mounts and the
 * network, makes no device node, traces nobody, sends no signal but SIGKILL, and mounts nothing that brings set-user-id programs or
 * devices.
 *
 * For good, and for the whole process; before its second thread (common/sandbox/sandbox.h). After an error the process must not go on.
 */
int harden_shim(enum sandbox_filter filter, struct error *err) must_check;

#endif
