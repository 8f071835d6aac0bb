// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_BASE_SLICE_H
#define HOLDFAST_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Bytes that somebody else owns. Passed by value; not NUL-terminated. p may be NULL only if n is 0. */
struct slice {
	const uint8_t *p;
	size_t n;
};

static inline struct slice slice_from(const void *p, size_t n)
{
	return (struct slice){ .p = p, .n = n };
}

static inline struct slice slice_string(const char *text)
{
	return slice_from(text, text ? strlen(text) : 0);
}

static inline bool slice_equals(struct slice a, struct slice b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool slice_equals_string(struct slice a, const char *text)
{
	return slice_equals(a, slice_string(text));
}

/* True, and `ret_rest` set, if `s` starts with `prefix`. */
static inline bool slice_skip_prefix(struct slice s, const char *prefix, struct slice *ret_rest)
{
	size_t n = strlen(prefix);

	if (s.n < n || (n > 0 && memcmp(s.p, prefix, n) != 0))
		return false;
	*ret_rest = slice_from(s.p + n, s.n - n);
	return true;
}

#define SLICE_FORMAT "%.*s"
#define SLICE_ARGS(s) (int)(s).n, (const char *)(s).p

#endif
