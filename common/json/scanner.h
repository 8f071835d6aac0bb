// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_JSON_SCANNER_H
#define HOLDFAST_JSON_SCANNER_H

#include <stdint.h>

#include "common/json/json_text.h"
#include "common/json/raw.h"

/* The words of JSON: strings, numbers, literals. check.c makes sentences of them. Internal to common/json. */

#define SCANNER_KEYS_INLINE 128

struct scanner {
	const uint8_t *start, *at, *end;
	const struct json_limits *limits;
	size_t depth, values;
	struct slice *keys; /* of all open objects, outermost first */
	size_t n_keys, keys_capacity;
	struct slice keys_inline[SCANNER_KEYS_INLINE];
};

/* error_set with line and column of `at` in front. */
int scan_fail(const struct scanner *s, const uint8_t *at, int code, struct error *err, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

/* Says what stands at s->at instead of `expected`. */
int scan_fail_expected(const struct scanner *s, const char *expected, struct error *err);

static inline bool scan_at(const struct scanner *s, uint8_t c)
{
	return s->at < s->end && *s->at == c;
}

static inline bool scan_take(struct scanner *s, uint8_t c)
{
	if (!scan_at(s, c))
		return false;
	s->at++;
	return true;
}

static inline void scan_skip_space(struct scanner *s)
{
	while (s->at < s->end && json_is_space(*s->at))
		s->at++;
}

/* At the opening quote; `*ret_raw` is what stands between the quotes. */
int scan_string(struct scanner *s, struct slice *ret_raw, struct error *err) must_check;

int scan_number(struct scanner *s, struct error *err) must_check;
int scan_literal(struct scanner *s, const char *literal, struct error *err) must_check;

#endif
