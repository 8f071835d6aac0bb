// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_INSTALL_SHRED_H
#define HOLDFAST_INSTALL_SHRED_H

#include "common/base/error.h"

/*
 * What holdfast-tpm has given to pods: overwrites and removes every file in the memory file system that is mounted at `path` (ours), and
 * unmounts it. 0 also if nothing is mounted there; what is no memory file system is not touched.
 */
int shred_volumes(const char *path, struct error *err) must_check;

#endif
