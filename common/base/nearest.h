// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_BASE_NEAREST_H
#define HOLDFAST_BASE_NEAREST_H

#include <stdbool.h>
#include <stddef.h>

/* How many insertions, deletions, replacements and swaps of neighbours turn `a` into `b`; names above 63 bytes are never near. */
size_t name_distance(const char *a, const char *b);

/*
 * The known name that a person who wrote `name` most likely meant, or NULL if none is near. `known` ends in NULL.
 * Near means: at most a third of the longer name's letters differ.
 */
const char *name_nearest(const char *name, const char *const *known);

/* True if `distance` between two such names is near. */
bool name_is_near(const char *a, const char *b, size_t distance);

#endif
