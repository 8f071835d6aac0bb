// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TESTS_PLAIN_SPAWN_H
#define HOLDFAST_TESTS_PLAIN_SPAWN_H

#include "kata-shim/vm/qemu/vmm.h"

/* QEMU without any confinement. The context is not used. */
vmm_spawn plain_spawn;

#endif
