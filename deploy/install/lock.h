// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_INSTALL_LOCK_H
#define HOLDFAST_INSTALL_LOCK_H

#include "common/base/error.h"

/*
 * One at a time on a node: the file is locked until the descriptor is closed, and says who has it. `wait_s`: so long, after a line on
 * standard error that says for whom. EWOULDBLOCK: somebody still has it, and the message says who. `path`: ours; who uninstalls removes it.
 */
int install_lock(const char *path, const char *who, unsigned wait_s, int *ret_fd, struct error *err) must_check;

#endif
