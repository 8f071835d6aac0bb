// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_GUEST_DETAILS_H
#define HOLDFAST_GUEST_DETAILS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/error.h"

/* What the guest's kernel has, from /sys and /proc. */
uint64_t details_memory_block_size(void); /* bytes; 0: memory cannot be added */
bool details_memory_probe(void);          /* memory is added by telling the kernel its address */
bool details_seccomp(void);

/*
 * Switches on CPUs that are there and off, the lowest first, until `n` are on, or all if it is 0; and all memory that is off, if `memory`.
 * EAGAIN: there are fewer than n. Only in a machine of our own.
 */
int details_bring_online(uint32_t n, bool memory, struct error *err) must_check;

#endif
