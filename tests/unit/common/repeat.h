// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TESTS_UNIT_COMMON_REPEAT_H
#define HOLDFAST_TESTS_UNIT_COMMON_REPEAT_H

#include "common/base/buf.h"
#include "tests/unit/common/cmocka_all.h"

/* Fills `text` with at least 10 MiB of `part`; doubled, since the sanitizers make small steps slow. */
static inline void repeat(struct buf *text, const char *part)
{
	buf_string(text, part);
	while (text->n < 10 << 20) {
		size_t n = text->n;
		uint8_t *to = buf_reserve(text, n);
		assert_non_null(to);
		memcpy(to, text->p, n);
		buf_commit(text, n);
	}
}

#endif
