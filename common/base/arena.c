// SPDX-License-Identifier: Apache-2.0
/*
 * A node agent keeps every pod of the cluster, so bytes per object decide its size. An object made of a dozen small mallocs costs
 * 16 bytes of header and padding for each. Instead the reader runs twice over the same JSON tree: once to measure, once to fill one
 * block of exactly that size. The second run costs little next to parsing, and freeing is one free().
 */
#include "common/base/arena.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Of the chunks, of which each is twice as large as the last: some are kept for as long as a secret is, and hold a few hundred bytes. */
#define FIRST_CHUNK_BYTES 512
#define CHUNK_BYTES_MAX 8192

struct arena_chunk {
	struct arena_chunk *next;
	size_t size, used;
	_Alignas(16) uint8_t bytes[];
};

int arena_exact(struct arena *arena, size_t size, struct error *err)
{
	uint8_t *block = calloc(1, size ? size : 1);

	if (!block)
		return error_nomem(err);
	*arena = (struct arena){ .block = block, .size = size };
	return 0;
}

void arena_clear(struct arena *arena)
{
	struct arena_chunk *chunk = arena->chunks;

	while (chunk) {
		struct arena_chunk *next = chunk->next;
		free(chunk);
		chunk = next;
	}
	free(arena->block);
	*arena = (struct arena){};
}

static size_t align_up(size_t n, size_t alignment)
{
	return (n + alignment - 1) & ~(alignment - 1);
}

static struct arena_chunk *add_chunk(struct arena *arena, size_t needed)
{
	size_t size = arena->chunks ? 2 * arena->chunks->size : FIRST_CHUNK_BYTES;

	if (size > CHUNK_BYTES_MAX)
		size = CHUNK_BYTES_MAX;
	if (size < needed)
		size = needed;
	struct arena_chunk *chunk = calloc(1, sizeof(*chunk) + size);
	if (!chunk)
		return NULL;
	chunk->size = size;
	chunk->next = arena->chunks;
	arena->chunks = chunk;
	return chunk;
}

static void *take_from_chunk(struct arena *arena, size_t bytes, size_t alignment)
{
	struct arena_chunk *chunk = arena->chunks;

	if (!chunk || chunk->size - chunk->used < bytes + alignment)
		chunk = add_chunk(arena, bytes + alignment);
	if (!chunk)
		return NULL;
	size_t at = align_up(chunk->used, alignment);
	chunk->used = at + bytes;
	return chunk->bytes + at;
}

void *arena_take(struct arena *arena, size_t n, size_t element_size, size_t alignment)
{
	size_t bytes, end;
	size_t at = align_up(arena->used, alignment);

	if (n == 0 || __builtin_mul_overflow(n, element_size, &bytes) || bytes > SIZE_MAX / 4 || __builtin_add_overflow(at, bytes, &end))
		return NULL;
	if (arena->block && end > arena->size)
		return NULL;
	void *p = arena->block ? arena->block + at : take_from_chunk(arena, bytes, alignment);
	if (p)
		arena->used = end;
	return p;
}

char *arena_string(struct arena *arena, const char *text)
{
	size_t n = strlen(text) + 1;
	char *copy = arena_take(arena, n, 1, 1);

	return copy ? memcpy(copy, text, n) : NULL;
}
