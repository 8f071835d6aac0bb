// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_BASE_SHA256_H
#define HOLDFAST_BASE_SHA256_H

#include "common/base/slice.h"

/*
 * SHA-256 (FIPS 180-4), for who compares files with what a manifest says of them and has no other use for a crypto library: that would be
 * 2.3 MB of a program of 1.5. Secrets are OpenSSL's.
 */
#define SHA256_SIZE 32
#define SHA256_BLOCK 64

struct sha256 {
	uint32_t state[8];
	uint64_t n; /* bytes so far */
	uint8_t block[SHA256_BLOCK];
};

void sha256_begin(struct sha256 *sha);
void sha256_add(struct sha256 *sha, struct slice bytes);
void sha256_end(struct sha256 *sha, uint8_t ret[static SHA256_SIZE]);

#endif
