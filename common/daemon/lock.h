// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_DAEMON_LOCK_H
#define HOLDFAST_DAEMON_LOCK_H

#include "common/base/error.h"

/* One daemon per state directory: makes the directory (0700) and holds `<directory>/lock` until the descriptor is closed. */
int daemon_lock(const char *directory, int *ret_fd, struct error *err) must_check;

#endif
