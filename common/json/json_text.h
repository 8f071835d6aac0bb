// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_JSON_JSON_TEXT_H
#define HOLDFAST_JSON_JSON_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/error.h"
#include "common/base/slice.h"

/*
 * Strict JSON as text, without a tree and without cJSON (library hf_json_text: libc only, used by the static CNI executable).
 * The tree is in json.h, the splitter for long answers in stream.h.
 */

struct json_limits {
	size_t bytes;  /* length of the text */
	size_t depth;  /* nested objects and arrays; never more than JSON_DEPTH_MAX */
	size_t values; /* all values in the text, keys not counted */
};

#define JSON_DEPTH_MAX 256 /* what the scanner's and cJSON's recursion may cost of the stack */

/* 2 MiB, 64 deep, 100,000 values: enough for any Kubernetes object (etcd's limit is 1.5 MiB with its overhead). */
extern const struct json_limits json_limits_object;

/*
 * Valid JSON (RFC 8259) within the limits, and more strictly: no trailing text, no duplicate keys, no NUL in strings (\u0000), no
 * invalid UTF-8, no unpaired surrogates, no number above 63 characters. Errors name line and column (in bytes, from 1).
 * Uses no heap for texts with fewer than some hundred keys. EINVAL, E2BIG (a limit), ENOMEM.
 */
int json_check(struct slice text, const struct json_limits *limits, struct error *err) must_check;

/*
 * The raw text of a member of the top-level object, exactly as it stands in `text`, which json_check must have accepted.
 * False if there is no such member or the text is no object. Needs no memory.
 */
bool json_raw_member(struct slice text, const char *key, struct slice *ret_value);

/*
 * Takes the next element's raw text from `rest`, which is an array's raw text at first, and afterwards what stands behind that element.
 * False: there is none (any more), or `rest` is no array's.
 */
bool json_raw_element(struct slice *rest, struct slice *ret_value);

#endif
