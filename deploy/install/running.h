// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_INSTALL_RUNNING_H
#define HOLDFAST_INSTALL_RUNNING_H

#include "common/base/error.h"

/*
 * Whether pods run in VMs, which nobody could end any more once the shim is gone. `records`: of the sandboxes (kata-shim/record/sandbox.h),
 * on the node. EBUSY: they do, and the message names some.
 */
int running_expect_none(const char *root, const char *records, struct error *err) must_check;

/*
 * Removes the records of pods of runc's in `directory` (as host_find gives it), which the shim that goes can no longer remove with them. Such
 * a pod needs none: what was decided for it is in its bundle, too.
 */
int running_forget_runc(const char *directory, struct error *err) must_check;

#endif
