// SPDX-License-Identifier: Apache-2.0
#include "common/base/secret.h"

#include <stdlib.h>
#include <string.h>

void secret_wipe(void *p, size_t n)
{
	if (n > 0)
		explicit_bzero(p, n);
}

bool secret_equals(const void *a, const void *b, size_t n)
{
	const volatile uint8_t *x = a;
	const volatile uint8_t *y = b;
	uint8_t difference = 0;

	for (size_t i = 0; i < n; i++)
		difference |= x[i] ^ y[i];
	return difference == 0;
}

void secret_free(struct secret *secret)
{
	secret_wipe(secret->p, secret->n);
	free(secret->p);
	*secret = (struct secret){};
}
