// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_BASE_ARRAY_H
#define HOLDFAST_BASE_ARRAY_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#define ELEMENTS_OF(array) (sizeof(array) / sizeof((array)[0]))

/*
 * Makes room for one more element in a heap array: `items` has `n` used and `capacity` allocated elements.
 * False if out of memory; the array is then as it was.
 *
 *	if (!array_room((void **)&list->items, list->n, &list->capacity, sizeof(*list->items)))
 *		return error_nomem(err);
 *	list->items[list->n++] = item;
 */
static inline bool array_room(void **items, size_t n, size_t *capacity, size_t element_size)
{
	size_t bytes;

	if (n < *capacity)
		return true;
	size_t grown = *capacity ? *capacity * 2 : 4;
	if (grown < *capacity || __builtin_mul_overflow(grown, element_size, &bytes))
		return false;
	void *p = realloc(*items, bytes);
	if (!p)
		return false;
	*items = p;
	*capacity = grown;
	return true;
}

/*
 * Where `key` is in a sorted array, or else where it belongs. `compare` is as memcmp: item, key, element_size. Inline, because sets of
 * addresses are searched for every event.
 */
static inline bool array_search(const void *items, size_t n, size_t element_size, const void *key,
				int (*compare)(const void *item, const void *key, size_t element_size), size_t *ret_position)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = compare((const char *)items + middle * element_size, key, element_size);

		if (order == 0) {
			*ret_position = middle;
			return true;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	*ret_position = low;
	return false;
}

#endif
