// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_KUBE_ARENA_H
#define HOLDFAST_KUBE_ARENA_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/error.h"

/*
 * Memory for one object, handed out piece by piece and freed as a whole. An arena either measures (pieces come from chunks
 * that kube_arena_clear frees, `used` says what an exact block would need) or fills one exact block. The same calls in the same
 * order need the same number of bytes in both.
 */
struct kube_arena_chunk;

struct kube_arena {
	uint8_t *block; /* NULL: measuring */
	size_t size;
	size_t used;
	struct kube_arena_chunk *chunks;
};

/* A block of exactly `size` zeroed bytes; whoever takes arena->block frees it. */
int kube_arena_exact(struct kube_arena *arena, size_t size, struct error *err) must_check;

void kube_arena_clear(struct kube_arena *arena);

/* n zeroed elements. NULL if out of memory; also for n = 0, use KUBE_ARENA_ARRAY's result only if n > 0. */
void *kube_arena_take(struct kube_arena *arena, size_t n, size_t element_size, size_t alignment) must_check;

#define KUBE_ARENA_ARRAY(arena, type, n) ((type *)kube_arena_take((arena), (n), sizeof(type), _Alignof(type)))

/* A copy of the C string. NULL if out of memory. */
char *kube_arena_string(struct kube_arena *arena, const char *text) must_check;

#endif
