// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_INSTALL_KEEP_H
#define HOLDFAST_INSTALL_KEEP_H

#include <sys/types.h>

#include "deploy/install/journal.h"

/*
 * A name on the node that becomes ours. What stood there before is kept beside it, as ".<name>" KEEP_SUFFIX, and comes back when we go;
 * the journal says so before anything moves. `path`: on the node.
 */

#define KEEP_SUFFIX ".before-holdfast"

/* A symbolic link. EEXIST: after ours was there, somebody put something else in its place. */
int keep_put_link(struct journal *journal, const char *root, const char *path, const char *target, struct error *err) must_check;

/* A copy of the file `from`; one that is the same already is left alone. */
int keep_put_copy(struct journal *journal, const char *root, const char *path, const char *from, mode_t mode, struct error *err) must_check;

/* What was there before; what somebody has put there since, in place of a link of ours, is left. */
int keep_restore(const char *root, const struct journal_item *item, struct error *err) must_check;

#endif
