// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_INSTALL_RUNNING_H
#define HOLDFAST_INSTALL_RUNNING_H

#include "common/base/error.h"

/*
 * Whether pods run in VMs, which nobody could end any more once the shim is gone. `records`: of the sandboxes (kata-shim/record/sandbox.h),
 * on the node. EBUSY: they do, and the message names some.
 */
int running_expect_none(const char *root, const char *records, struct error *err) must_check;

#endif
