// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_INSTALL_SHRED_H
#define HOLDFAST_INSTALL_SHRED_H

#include <limits.h>
#include <stddef.h>

#include "common/base/error.h"

#define SHRED_FOUND_MAX 16

/*
 * What holdfast-tpm has given to pods: overwrites and removes every file in the memory file system that is mounted at `path` (ours), and
 * unmounts it. 0 also if nothing is mounted there; what is no memory file system is not touched.
 */
int shred_volumes(const char *path, struct error *err) must_check;

/*
 * Where such a memory file system is mounted below `root`, wherever secrets.volumes has it: paths as the node knows them, SHRED_FOUND_MAX at
 * most. The daemon, its unit and docs/secrets.md mount it as "holdfast". Returns how many there are.
 */
size_t shred_find(const char *root, char ret[SHRED_FOUND_MAX][PATH_MAX]);

#endif
