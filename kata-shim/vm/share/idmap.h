// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_VM_SHARE_IDMAP_H
#define HOLDFAST_VM_SHARE_IDMAP_H

#include <stdbool.h>
#include <sys/stat.h>

#include "common/base/error.h"

/*
 * `path` is opened once, with links followed, and everything else is done to what that found. `ret_kind` is its st_mode. Neither a
 * directory nor a regular file: EOPNOTSUPP.
 */
int idmap_open(const char *path, int *ret_fd, mode_t *ret_kind, struct error *err) must_check;

/*
 * A copy of the mount at `source` (idmap_open), to be attached somewhere: idmapped, nosuid, nodev, noexec, private, and on request
 * read-only and with all mounts below. `path` is for messages. EOPNOTSUPP: its file system, or one below, cannot be idmapped; says which.
 */
int idmap_clone(int source, const char *path, int user_namespace, bool read_only, bool recursive, int *ret_tree,
		struct error *err) must_check;

#endif
