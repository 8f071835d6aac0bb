// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_KUBE_HASH_H
#define HOLDFAST_KUBE_HASH_H

/*
 * uthash that survives being out of memory: an entry for which there was none has its member `refused` set and is not in the table.
 * Its hash function falls through a switch without saying so, and its macros expand in the file that includes this.
 */
#define HASH_NONFATAL_OOM 1
#define uthash_nonfatal_oom(entry) ((entry)->refused = true)
#include <uthash.h>

#pragma GCC diagnostic ignored "-Wimplicit-fallthrough"

#endif
