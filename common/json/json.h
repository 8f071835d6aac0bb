// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_JSON_JSON_H
#define HOLDFAST_JSON_JSON_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/base/cleanup.h"
#include "common/base/error.h"
#include "common/base/slice.h"
#include "common/json/json_text.h"

/*
 * Strict JSON as a tree (library hf_json): json_parse checks the text against limits before cJSON allocates anything, then builds the tree.
 * Typed reads go through a view, which knows its path, so that every error says where:
 * `spec.ingress[2].ports[0].port: 70000 is above 65535`.
 */

/* Accepts exactly what json_check accepts; the errors are the same. `*ret_tree` is the caller's (json_free). */
int json_parse(struct slice text, const struct json_limits *limits, cJSON **ret_tree, struct error *err) must_check;

static inline void json_free(cJSON *tree)
{
	cJSON_Delete(tree);
}
DEFINE_CLEANUP(cJSON *, json_free);

/* A value and the way to it. Lives on the stack; valid as long as the tree and the views above it. */
struct json_view {
	const cJSON *value;
	const struct json_view *up; /* NULL at the root */
	const char *key;            /* its key in `up`, or NULL if it is element `index` of an array */
	size_t index;
};

static inline struct json_view json_root(const cJSON *tree)
{
	return (struct json_view){ .value = tree };
}

/* Writes `spec.ingress[2]` to `text`; "" for the root. Too long paths are cut at the front. */
void json_path(const struct json_view *at, char *text, size_t size);

/* error_set with the path in front: `<path>: <text>`. Returns -EINVAL. */
int json_error(const struct json_view *at, struct error *err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* True, and `*ret` set, if `object` is an object that has `key` with a value other than null. */
bool json_member(const struct json_view *object, const char *key, struct json_view *ret);

/* As json_member, but absence is an error: `<path>: "key" is missing`. */
int json_require(const struct json_view *object, const char *key, struct json_view *ret, struct error *err) must_check;

int json_expect_object(const struct json_view *at, struct error *err) must_check;

/* `*ret_n` elements. At most `maximum`. Then json_element(at, i). */
int json_expect_array(const struct json_view *at, size_t maximum, size_t *ret_n, struct error *err) must_check;
struct json_view json_element(const struct json_view *array, size_t index); /* O(index): for loops use JSON_FOR_EACH */

/* The string stays the tree's. */
int json_expect_string(const struct json_view *at, const char **ret, struct error *err) must_check;
int json_expect_bool(const struct json_view *at, bool *ret, struct error *err) must_check;

/* Whole numbers only (no fraction, no exponent beyond 2^53). */
int json_expect_integer(const struct json_view *at, int64_t minimum, int64_t maximum, int64_t *ret, struct error *err) must_check;

/*
 * Every key of `object` must be in `known` (NULL-terminated), else an error names the unknown key and the nearest
 * known one: `network.pollicy: unknown key "pollicy"; did you mean "policy"?`
 */
int json_expect_keys(const struct json_view *object, const char *const *known, struct error *err) must_check;

/* for each element or member:  JSON_FOR_EACH(item, &view) { ... item.value ... item.key ... } */
#define JSON_FOR_EACH(item, container)                                                                       \
	for (struct json_view item = json_first(container); item.value; item = json_next(item))

static inline struct json_view json_first(const struct json_view *container)
{
	const cJSON *child = container->value ? container->value->child : NULL;

	return (struct json_view){ .value = child, .up = container, .key = child ? child->string : NULL };
}

static inline struct json_view json_next(struct json_view item)
{
	const cJSON *next = item.value->next;

	return (struct json_view){ .value = next, .up = item.up, .key = next ? next->string : NULL, .index = item.index + 1 };
}

#endif
