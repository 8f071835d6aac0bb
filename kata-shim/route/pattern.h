// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_ROUTE_PATTERN_H
#define HOLDFAST_ROUTE_PATTERN_H

#include <stdbool.h>

/*
 * The whole of `text` against `pattern`: `*` is any number of any characters, `?` is one, everything else is itself. Takes no longer than
 * the product of their lengths, whatever a pod writes into its annotations.
 */
bool pattern_matches(const char *pattern, const char *text);

#endif
