// SPDX-License-Identifier: Apache-2.0
#include "cni-plugin/policy/named.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/array.h"

static const char *name_of(const void *item)
{
	return *(char *const *)item;
}

static int compare_name(const void *item, const void *name, size_t size)
{
	return strcmp(name_of(*(void *const *)item), name);
}

bool named_find(const struct named *list, const char *name, size_t *ret_position)
{
	return array_search(list->items, list->n, sizeof(*list->items), name, compare_name, ret_position);
}

void *named_get(const struct named *list, const char *name)
{
	size_t at;

	return named_find(list, name, &at) ? list->items[at] : NULL;
}

void *named_next(const struct named *list, const void *after)
{
	size_t at = 0;

	if (after && named_find(list, name_of(after), &at))
		at++;
	return at < list->n ? list->items[at] : NULL;
}

bool named_reserve(struct named *list, size_t n)
{
	size_t capacity = list->capacity ? list->capacity : 16;

	if (n <= list->capacity)
		return true;
	while (capacity < n)
		capacity *= 2;
	void **items = realloc(list->items, capacity * sizeof(*items));
	if (!items)
		return false;
	list->items = items;
	list->capacity = capacity;
	return true;
}

void named_insert(struct named *list, size_t position, void *item)
{
	memmove(list->items + position + 1, list->items + position, (list->n - position) * sizeof(*list->items));
	list->items[position] = item;
	list->n++;
}

void named_remove(struct named *list, const char *name)
{
	size_t at;

	if (!named_find(list, name, &at))
		return;
	list->n--;
	memmove(list->items + at, list->items + at + 1, (list->n - at) * sizeof(*list->items));
}

bool named_put(struct named *list, void *item)
{
	size_t at;

	if (!named_reserve(list, list->n + 1))
		return false;
	named_find(list, name_of(item), &at);
	named_insert(list, at, item);
	return true;
}

void named_free(struct named *list)
{
	free(list->items);
	*list = (struct named){};
}
