// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TPM_CONFINE_H
#define HOLDFAST_TPM_CONFINE_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/sandbox/sandbox.h"

#define CONFINE_LOCKED_MEMORY (UINT64_C(8) << 20) /* bytes that the daemon may lock */

/*
 * Gives up all that the daemon has no use for once its volumes are mounted: CAP_CHOWN stays, by which pods' users get the files of their
 * secrets, and the group that the device of `tcti` belongs to. After volumes_open, before anything else is opened or read, and for good.
 * EPERM: CAP_CHOWN, the group or the memory to lock cannot be had, and what to do.
 */
int confine_enter(const char *tcti, enum sandbox_filter filter, struct error *err) must_check;

/* The device of `tcti` has come since, and belongs to this group, which only a new process can join. */
bool confine_lacks_group(const char *tcti, gid_t *ret);

#endif
