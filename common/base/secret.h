// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_BASE_SECRET_H
#define HOLDFAST_BASE_SECRET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/error.h"

/* Overwrites n bytes so that the compiler cannot leave it out. p may be NULL if n is 0. */
void secret_wipe(void *p, size_t n);

/*
 * Overwrites what this thread has in registers for vectors, with which memcpy and AES work. They stay as they are for as long as the thread
 * sleeps, and who looks into the process, or its core, has them.
 */
void secret_wipe_registers(void);

/* Compares in a time that depends on n only. */
bool secret_equals(const void *a, const void *b, size_t n);

/* Bytes that are wiped before they are freed. Use with `_cleanup_(secret_free) struct secret key = {};`. */
struct secret {
	uint8_t *p; /* from malloc, unless `mapped` */
	size_t n;
	size_t mapped; /* bytes of address space that secret_make took, and then n must stay as it is; else 0 */
};

/*
 * n bytes of zero, in whole pages of their own that are never swapped out, in no core dump, and zero in a child process. They end where a
 * page begins that nobody may touch; p is not aligned. Each takes at least 4 KiB of what the process may lock: ENOMEM, EPERM or EAGAIN
 * say how much that is.
 */
int secret_make(size_t n, struct secret *ret, struct error *err) must_check;

void secret_free(struct secret *secret);

#endif
