// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_KUBECTL_WORDS_H
#define HOLDFAST_KUBECTL_WORDS_H

#include <stdbool.h>

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/error.h"

/*
 * A command line, word by word: nothing of it ever meets a shell. Its error is sticky: add freely, check once.
 *
 *	_cleanup_(words_clear) struct words words = { 0 };
 */
#define WORDS_MAX 4096

struct words {
	const char **items; /* ends in NULL */
	size_t n, capacity;
	struct arena strings; /* of words_addf */
	int failed;           /* 0, ENOMEM or E2BIG */
};

void words_clear(struct words *words);

/* Not copied. */
void words_add(struct words *words, const char *text);
void words_addf(struct words *words, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Each up to NULL. */
void words_add_all(struct words *words, const char *const *texts);

int words_check(const struct words *words, struct error *err) must_check;

/* As a person would type it in a shell: with quotes where they are needed. */
void words_print(const struct words *words, struct buf *out);

#endif
