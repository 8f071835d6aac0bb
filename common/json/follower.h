// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_JSON_FOLLOWER_H
#define HOLDFAST_JSON_FOLLOWER_H

#include <stdbool.h>

#include "common/base/slice.h"

/* Finds the end of one JSON value in chunks of any size, by its strings and brackets only. Internal to common/json. */
enum follower_shape { FOLLOWER_SCALAR, FOLLOWER_STRING, FOLLOWER_NESTED }; /* how the end is known */

struct follower {
	enum follower_shape shape;
	size_t depth;
	bool in_string, escaped;
};

static inline struct follower follower_begin(uint8_t first)
{
	if (first == '"')
		return (struct follower){ .shape = FOLLOWER_STRING };
	return (struct follower){ .shape = first == '{' || first == '[' ? FOLLOWER_NESTED : FOLLOWER_SCALAR };
}

/*
 * How many of `bytes`, the first of which may be the value's own first, belong to the value; `*ret_ended` is set if it ends with
 * them. A scalar at the top of an object ends in front of a space, ',' or '}'.
 */
size_t follower_run(struct follower *follower, struct slice bytes, bool *ret_ended);

#endif
