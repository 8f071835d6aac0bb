// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TASK_WATCHDOG_H
#define HOLDFAST_TASK_WATCHDOG_H

#include <uv.h>

#include "common/base/error.h"

/*
 * A shim that hangs is killed, and QEMU and virtiofsd with it: containerd then sees that it has ended, tells so, and calls `delete`. Without
 * that its pod could not be removed until containerd is restarted.
 */

/* From now on the process is killed `ms` after `loop` has turned for the last time. Before harden_shim, once; it does not keep the loop. */
int watchdog_start(uv_loop_t *loop, unsigned ms, struct error *err) must_check;

#endif
