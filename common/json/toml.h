// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_JSON_TOML_H
#define HOLDFAST_JSON_TOML_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/error.h"
#include "common/base/slice.h"

/*
 * TOML 1.0 (toml.io) into the trees of json.h and back (library hf_json): tables are objects, strings and booleans are themselves.
 * Numbers and dates are kept as they stand, as cJSON_Raw: what is printed again is what was read. Of them only the characters are
 * checked; toml_integer reads one. Refused, with the line: a key given twice, a table opened twice, an inline table or array that is
 * added to later, NUL, text that is no UTF-8. Accepted though TOML forbids it: dotted keys that add to a table which only a deeper
 * header made.
 */
struct toml_limits {
	size_t bytes;  /* length of the text */
	size_t depth;  /* nested arrays and inline tables, and parts of a key; never more than JSON_DEPTH_MAX */
	size_t values; /* all values and tables */
};

/* A program's configuration: 1 MiB, 64 deep, 10,000 values. */
extern const struct toml_limits toml_limits_config;

/* `*ret_tree` is the caller's (json_free), an object. EINVAL, E2BIG (a limit), ENOMEM. */
int toml_parse(struct slice text, const struct toml_limits *limits, cJSON **ret_tree, struct error *err) must_check;

/* True, and `*ret` set, if `value` is a decimal integer from 0 that toml_parse read. */
bool toml_integer(const cJSON *value, uint64_t *ret);

/*
 * The member `key` of `table` as TOML: a table under its header `[prefix.key]`, with its sub-tables under their own, or one line
 * `key = value`. `prefix` is the way to it as TOML writes it (toml_key), or "".
 */
void toml_print(struct buf *out, const char *prefix, const cJSON *member);

/* Appends a key, quoted if it must be, behind a dot unless `out` is empty. */
void toml_key(struct buf *out, const char *key);

#endif
