// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_POLICY_NAMED_H
#define HOLDFAST_POLICY_NAMED_H

#include "common/base/error.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * Pointers to objects whose first member is their name (`char *` or `const char *`), sorted by it. The list does not own them. A few
 * thousand names are found in a dozen comparisons, cost 8 bytes each, and are printed in order without sorting.
 */
struct named {
	void **items;
	size_t n, capacity;
};

/* Position of `name`, or where it would stand. */
bool named_find(const struct named *list, const char *name, size_t *ret_position);
void *named_get(const struct named *list, const char *name);   /* NULL if absent */
void *named_next(const struct named *list, const void *after); /* NULL starts; NULL at the end */

bool named_reserve(struct named *list, size_t n);                   /* room for n in all; false if out of memory */
void named_insert(struct named *list, size_t position, void *item); /* room must have been reserved */
bool named_put(struct named *list, void *item) must_check;          /* reserves and inserts; false if out of memory */
void named_remove(struct named *list, const char *name);
void named_free(struct named *list);

#endif
