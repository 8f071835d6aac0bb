// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_INSTALL_CNI_SWAP_H
#define HOLDFAST_INSTALL_CNI_SWAP_H

#include "common/base/buf.h"
#include "common/base/error.h"

/*
 * Changes a file that others may write at the same time, in place or by rename. `edit` appends the new text; 1, or 0: there is nothing to
 * change, or an error. It is called again with what somebody else has written meanwhile. Returns what it returned last; EBUSY: that does
 * not end. `path`: ours. Mode and owner stay. SIGIO is ignored from then on.
 */
int swap_edit(const char *path, int (*edit)(struct slice text, struct buf *out, struct error *err), struct error *err) must_check;

#endif
