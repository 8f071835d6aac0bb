// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_BASE_SECRET_H
#define HOLDFAST_BASE_SECRET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Overwrites n bytes so that the compiler cannot leave it out. p may be NULL if n is 0. */
void secret_wipe(void *p, size_t n);

/* Compares in a time that depends on n only. */
bool secret_equals(const void *a, const void *b, size_t n);

/* Bytes that are wiped before they are freed. Use with `_cleanup_(secret_free) struct secret key = {};`. */
struct secret {
	uint8_t *p;
	size_t n;
};

void secret_free(struct secret *secret);

#endif
