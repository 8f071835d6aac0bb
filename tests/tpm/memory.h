// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TESTS_TPM_MEMORY_H
#define HOLDFAST_TESTS_TPM_MEMORY_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * How often these bytes are in all that the process may write to: heap, stacks, and what the libraries have for themselves. Says where. Of
 * another process by root only, since it cannot be dumped.
 */
size_t memory_count(pid_t pid, const void *bytes, size_t n);

#endif
