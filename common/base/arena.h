// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_BASE_ARENA_H
#define HOLDFAST_BASE_ARENA_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/error.h"

/*
 * Memory for one object, handed out piece by piece and freed as a whole. An arena either measures (pieces come from chunks
 * that arena_clear frees, `used` says what an exact block would need) or fills one exact block. The same calls in the same
 * order need the same number of bytes in both.
 */
struct arena_chunk;

struct arena {
	uint8_t *block; /* NULL: measuring */
	size_t size;
	size_t used;
	struct arena_chunk *chunks;
};

/* A block of exactly `size` zeroed bytes; whoever takes arena->block frees it. */
int arena_exact(struct arena *arena, size_t size, struct error *err) must_check;

void arena_clear(struct arena *arena);

/* n zeroed elements. NULL if out of memory; also for n = 0, use ARENA_ARRAY's result only if n > 0. */
void *arena_take(struct arena *arena, size_t n, size_t element_size, size_t alignment) must_check;

#define ARENA_ARRAY(arena, type, n) ((type *)arena_take((arena), (n), sizeof(type), _Alignof(type)))

/* A copy of the C string. NULL if out of memory. */
char *arena_string(struct arena *arena, const char *text) must_check;

#endif
