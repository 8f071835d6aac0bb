// SPDX-License-Identifier: Apache-2.0
#include "common/base/sha256.h"

#include <endian.h>

#define ROUNDS 64
#define LENGTH_AT (SHA256_BLOCK - sizeof(uint64_t)) /* the last block ends with the number of bits */

/* FIPS 180-4, 4.2.2: the first 32 bits of the fractional parts of the cube roots of the first 64 primes. */
static const uint32_t constants[ROUNDS] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be,
	0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa,
	0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85,
	0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3,
	0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f,
	0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t rotate(uint32_t value, unsigned bits)
{
	return value >> bits | value << (32 - bits);
}

/* 6.2.2, step 1 */
static void prepare(const uint8_t *block, uint32_t schedule[static ROUNDS])
{
	for (unsigned i = 0; i < 16; i++) {
		uint32_t word;
		memcpy(&word, block + 4 * i, sizeof(word));
		schedule[i] = be32toh(word);
	}
	for (unsigned i = 16; i < ROUNDS; i++) {
		const uint32_t a = schedule[i - 15], b = schedule[i - 2];
		const uint32_t low = rotate(a, 7) ^ rotate(a, 18) ^ a >> 3;
		const uint32_t high = rotate(b, 17) ^ rotate(b, 19) ^ b >> 10;
		schedule[i] = schedule[i - 16] + low + schedule[i - 7] + high;
	}
}

/* 6.2.2, steps 2 to 4: the eight variables a to h move on by one place each round, and so the places go round instead. */
static void take_block(struct sha256 *sha, const uint8_t *block)
{
	uint32_t schedule[ROUNDS], v[8];

	prepare(block, schedule);
	memcpy(v, sha->state, sizeof(v));
#pragma GCC unroll 8
	for (unsigned i = 0; i < ROUNDS; i++) {
		const uint32_t a = v[-i & 7], b = v[(1 - i) & 7], c = v[(2 - i) & 7];
		const uint32_t e = v[(4 - i) & 7], f = v[(5 - i) & 7], g = v[(6 - i) & 7], h = v[(7 - i) & 7];
		const uint32_t one = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25), choice = (e & f) ^ (~e & g);
		const uint32_t zero = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22), majority = (a & b) ^ (a & c) ^ (b & c);
		const uint32_t first = h + one + choice + constants[i] + schedule[i];
		v[(3 - i) & 7] += first;
		v[(7 - i) & 7] = first + zero + majority;
	}
	for (unsigned i = 0; i < 8; i++)
		sha->state[i] += v[i];
}

void sha256_begin(struct sha256 *sha)
{
	/* 5.3.3: of the square roots of the first 8 primes */
	*sha = (struct sha256){ .state = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 } };
}

void sha256_add(struct sha256 *sha, struct slice bytes)
{
	while (bytes.n > 0) {
		const size_t at = sha->n % SHA256_BLOCK, room = SHA256_BLOCK - at, n = bytes.n < room ? bytes.n : room;
		const bool whole = n == SHA256_BLOCK;
		if (whole)
			take_block(sha, bytes.p);
		else
			memcpy(sha->block + at, bytes.p, n);
		sha->n += n;
		if (!whole && n == room)
			take_block(sha, sha->block);
		bytes = slice_from(bytes.p + n, bytes.n - n);
	}
}

/* 5.1.1: a bit, zeroes, and the length */
void sha256_end(struct sha256 *sha, uint8_t ret[static SHA256_SIZE])
{
	static const uint8_t padding[SHA256_BLOCK] = { 0x80 };
	const uint64_t bits = htobe64(sha->n * 8);
	const size_t at = sha->n % SHA256_BLOCK;

	sha256_add(sha, slice_from(padding, at < LENGTH_AT ? LENGTH_AT - at : SHA256_BLOCK + LENGTH_AT - at));
	sha256_add(sha, slice_from(&bits, sizeof(bits)));
	for (unsigned i = 0; i < 8; i++) {
		const uint32_t word = htobe32(sha->state[i]);
		memcpy(ret + 4 * i, &word, sizeof(word));
	}
}
