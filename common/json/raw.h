// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_JSON_RAW_H
#define HOLDFAST_JSON_RAW_H

#include <stdbool.h>

#include "common/base/slice.h"

/* Raw strings inside JSON text: what stands between the quotes, escapes and all. Internal to common/json. */

static inline bool json_is_space(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Compares what the raw strings mean, byte by byte in UTF-8, as memcmp does. */
int json_raw_compare(struct slice a, struct slice b);

/* True if the raw string means `text`. */
bool json_raw_equals(struct slice raw, const char *text);

#endif
