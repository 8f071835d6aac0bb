// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_JSON_YAML_H
#define HOLDFAST_JSON_YAML_H

#include <cjson/cJSON.h>
#include <stddef.h>

#include "common/base/error.h"
#include "common/base/slice.h"

/*
 * YAML into the trees of json.h (library hf_json). Refused, with line and column: anchors, aliases, tags, merge keys, duplicate keys,
 * keys that are no scalars, NUL in strings, .inf and .nan. The text must be UTF-8.
 *
 * Plain scalars mean what they mean to kubectl (go-yaml v2, yaml/v2 resolve.go): null ~ and nothing are null; true yes on and false no off
 * in three spellings each (true True TRUE) are booleans; 10, -1, 0x1f, 0o17, 017, 0b11, 1_000 and 1.5e3 are numbers. But y and n stay
 * strings, as in YAML 1.2. Quoted and block scalars are strings, and keys are always the text that stands there.
 */
struct yaml_limits {
	size_t bytes; /* length of the text */
	size_t depth; /* nested mappings and sequences; never more than JSON_DEPTH_MAX */
	size_t values; /* all values of all documents, keys not counted */
	size_t documents; /* empty ones counted */
};

/* A file of manifests: 4 MiB, 64 deep, 200,000 values, 1,000 documents. */
extern const struct yaml_limits yaml_limits_manifests;

/*
 * Calls `document` for each document that is not empty, in order, with the line on which it begins (from 1). It owns the tree from
 * then on, and returns 0, or a negative value (with err set) that ends the parse and is returned. Documents before a
 * broken one have been delivered when the error comes. EINVAL, E2BIG (a limit), ENOMEM.
 */
int yaml_parse(struct slice text, const struct yaml_limits *limits,
	       int (*document)(void *context, cJSON *tree, unsigned line, struct error *err), void *context, struct error *err) must_check;

#endif
