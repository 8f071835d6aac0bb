// SPDX-License-Identifier: Apache-2.0
/*
 * A recursive descent over the text that builds nothing. It stands in front of cJSON, because cJSON alone accepts what we must
 * not: duplicate keys (which one counts?), strings cut at \u0000, control characters, trailing text, 1000 levels of nesting.
 *
 * Recursion is bounded by the depth limit. Keys of the objects that are open are remembered as slices of the text; when an object
 * closes, its keys are compared and forgotten. So an object of 100,000 keys costs one sort, and the usual object no heap.
 */
#include "common/json/json_text.h"

#include <errno.h>
#include <stdlib.h>

#include "common/base/array.h"
#include "common/base/cleanup.h"
#include "common/base/show.h"
#include "common/json/scanner.h"

#define PAIRWISE_MAX 16 /* keys; above, sorting is cheaper */

const struct json_limits json_limits_object = { .bytes = 2 * 1024 * 1024, .depth = 64, .values = 100 * 1000 };

static void scanner_free(struct scanner *s)
{
	if (s->keys != s->keys_inline)
		free(s->keys);
}

static int enter(struct scanner *s, struct error *err)
{
	size_t limit = s->limits->depth < JSON_DEPTH_MAX ? s->limits->depth : JSON_DEPTH_MAX;

	if (s->depth == limit)
		return scan_fail(s, s->at, E2BIG, err, "nested deeper than the limit of %zu", limit);
	s->depth++;
	s->at++;
	return 0;
}

static int scan_value(struct scanner *s, struct error *err);

static int scan_array(struct scanner *s, struct error *err)
{
	int r = enter(s, err);

	if (r < 0)
		return r;
	scan_skip_space(s);
	if (!scan_at(s, ']')) {
		do {
			r = scan_value(s, err);
			if (r < 0)
				return r;
			scan_skip_space(s);
		} while (scan_take(s, ','));
	}
	if (!scan_take(s, ']'))
		return scan_fail_expected(s, "',' or ']'", err);
	s->depth--;
	return 0;
}

static int keys_grow(struct scanner *s, struct error *err)
{
	struct slice *keys = s->keys == s->keys_inline ? NULL : s->keys;
	size_t capacity = s->keys_capacity;

	if (!array_room((void **)&keys, s->n_keys, &capacity, sizeof(*keys)))
		return error_nomem(err);
	if (s->keys == s->keys_inline)
		memcpy(keys, s->keys_inline, sizeof(s->keys_inline));
	s->keys = keys;
	s->keys_capacity = capacity;
	return 0;
}

static int compare_keys(const void *a, const void *b)
{
	const struct slice *key_a = a, *key_b = b;

	return json_raw_compare(*key_a, *key_b);
}

static int fail_duplicate(const struct scanner *s, struct slice a, struct slice b, struct error *err)
{
	struct slice second = a.p > b.p ? a : b;

	return scan_fail(s, second.p - 1, EINVAL, err, "duplicate key \"%s\"", SHOW(second));
}

/* Forgets the keys of the object that closes. */
static int close_keys(struct scanner *s, size_t first, struct error *err)
{
	struct slice *keys = s->keys + first;
	size_t n = s->n_keys - first;
	bool sorted = n > PAIRWISE_MAX;

	if (sorted)
		qsort(keys, n, sizeof(*keys), compare_keys);
	for (size_t i = 1; i < n; i++) {
		for (size_t j = sorted ? i - 1 : 0; j < i; j++) {
			if (json_raw_compare(keys[j], keys[i]) == 0)
				return fail_duplicate(s, keys[j], keys[i], err);
		}
	}
	s->n_keys = first;
	return 0;
}

static int scan_member(struct scanner *s, struct error *err)
{
	struct slice key;

	scan_skip_space(s);
	if (!scan_at(s, '"'))
		return scan_fail_expected(s, "a key in quotes", err);
	int r = scan_string(s, &key, err);
	if (r == 0 && s->n_keys == s->keys_capacity)
		r = keys_grow(s, err);
	if (r < 0)
		return r;
	s->keys[s->n_keys++] = key;
	scan_skip_space(s);
	if (!scan_take(s, ':'))
		return scan_fail_expected(s, "':'", err);
	return scan_value(s, err);
}

static int scan_object(struct scanner *s, struct error *err)
{
	size_t first_key = s->n_keys;
	int r = enter(s, err);

	if (r < 0)
		return r;
	scan_skip_space(s);
	if (!scan_at(s, '}')) {
		do {
			r = scan_member(s, err);
			if (r < 0)
				return r;
			scan_skip_space(s);
		} while (scan_take(s, ','));
	}
	if (!scan_take(s, '}'))
		return scan_fail_expected(s, "',' or '}'", err);
	s->depth--;
	return close_keys(s, first_key, err);
}

static int scan_value(struct scanner *s, struct error *err)
{
	struct slice raw;

	scan_skip_space(s);
	if (s->values == s->limits->values)
		return scan_fail(s, s->at, E2BIG, err, "more values than the limit of %zu", s->limits->values);
	s->values++;
	switch (s->at < s->end ? *s->at : 0) {
	case '{':
		return scan_object(s, err);
	case '[':
		return scan_array(s, err);
	case '"':
		return scan_string(s, &raw, err);
	case 't':
		return scan_literal(s, "true", err);
	case 'f':
		return scan_literal(s, "false", err);
	case 'n':
		return scan_literal(s, "null", err);
	case '-':
	case '0' ... '9':
		return scan_number(s, err);
	default:
		return scan_fail_expected(s, "a value", err);
	}
}

int json_check(struct slice text, const struct json_limits *limits, struct error *err)
{
	const uint8_t *start = text.p ? text.p : (const uint8_t *)"";
	_cleanup_(scanner_free) struct scanner s = {
		.start = start,
		.at = start,
		.end = start + text.n,
		.limits = limits,
		.keys_capacity = SCANNER_KEYS_INLINE,
	};

	s.keys = s.keys_inline;
	if (text.n > limits->bytes)
		return error_set(err, E2BIG, "%zu bytes of JSON are above the limit of %zu", text.n, limits->bytes);
	int r = scan_value(&s, err);
	if (r < 0)
		return r;
	scan_skip_space(&s);
	if (s.at < s.end)
		return scan_fail_expected(&s, "the end of the text", err);
	return 0;
}
