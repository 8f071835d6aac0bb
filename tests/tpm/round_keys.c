// SPDX-License-Identifier: Apache-2.0
/* Slow and small: OpenSSL tells nobody. */
#include "tests/tpm/round_keys.h"

#include <string.h>

static uint8_t doubled(uint8_t x)
{
	return (uint8_t)(x << 1 ^ (x & 0x80 ? 0x1b : 0));
}

static uint8_t multiply(uint8_t a, uint8_t b)
{
	uint8_t product = 0;

	for (; b; b >>= 1, a = doubled(a))
		product ^= b & 1 ? a : 0;
	return product;
}

/* Section 5.1.1: the inverse, which is the 254th power, and then the affine transformation. */
static uint8_t substitute(uint8_t x)
{
	uint8_t power = 1, y;

	for (int i = 0; i < 254; i++)
		power = multiply(power, x);
	y = power;
	for (int i = 1; i <= 4; i++)
		y ^= (uint8_t)(power << i | power >> (8 - i));
	return y ^ 0x63;
}

void round_keys(const uint8_t key[static 32], uint8_t ret[static ROUND_KEYS_SIZE])
{
	uint8_t constant = 1;

	memcpy(ret, key, 32);
	for (int i = 32; i < ROUND_KEYS_SIZE; i += 4) {
		uint8_t last[4] = { ret[i - 4], ret[i - 3], ret[i - 2], ret[i - 1] };

		for (int j = 0; j < 4; j++) {
			uint8_t t = last[j];

			if (i % 32 == 0)
				t = substitute(last[(j + 1) % 4]) ^ (j == 0 ? constant : 0);
			else if (i % 32 == 16)
				t = substitute(t);
			ret[i + j] = ret[i + j - 32] ^ t;
		}
		if (i % 32 == 0)
			constant = doubled(constant);
	}
}
