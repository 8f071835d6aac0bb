// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TESTS_FEW_ALLOCATIONS_H
#define HOLDFAST_TESTS_FEW_ALLOCATIONS_H

#include <stddef.h>

/* How many allocations of ours succeed from now on; each that does takes one away. SIZE_MAX: all. The linker sends them here (--wrap). */
extern size_t allocations_allowed;

#endif
