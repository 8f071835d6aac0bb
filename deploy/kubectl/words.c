// SPDX-License-Identifier: Apache-2.0
#include "deploy/kubectl/words.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/base/array.h"

#define WORD_MAX 4096

void words_clear(struct words *words)
{
	free(words->items);
	arena_clear(&words->strings);
	*words = (struct words){ 0 };
}

void words_add(struct words *words, const char *text)
{
	if (!text)
		words->failed = ENOMEM;
	if (words->n == WORDS_MAX)
		words->failed = E2BIG;
	if (words->failed)
		return;
	if (!array_room((void **)&words->items, words->n + 1, &words->capacity, sizeof(*words->items))) {
		words->failed = ENOMEM;
		return;
	}
	words->items[words->n++] = text;
	words->items[words->n] = NULL;
}

void words_addf(struct words *words, const char *format, ...)
{
	char text[WORD_MAX];
	va_list arguments;

	va_start(arguments, format);
	int n = vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (n < 0 || n >= WORD_MAX)
		words->failed = E2BIG;
	else
		words_add(words, arena_string(&words->strings, text));
}

void words_add_all(struct words *words, const char *const *texts)
{
	for (; *texts; texts++)
		words_add(words, *texts);
}

int words_check(const struct words *words, struct error *err)
{
	if (words->failed == E2BIG)
		return error_set(err, E2BIG, "the command has more than %d words, or one of more than %d bytes", WORDS_MAX, WORD_MAX - 1);
	return words->failed ? error_nomem(err) : 0;
}

static void print_quoted(const char *text, struct buf *out)
{
	buf_byte(out, '\'');
	for (; *text; text++)
		buf_string(out, *text == '\'' ? "'\\''" : (const char[]){ *text, 0 });
	buf_byte(out, '\'');
}

void words_print(const struct words *words, struct buf *out)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:=,@+%";

	for (size_t i = 0; i < words->n; i++) {
		const char *word = words->items[i];

		buf_string(out, i ? " " : "");
		if (*word && !word[strspn(word, plain)])
			buf_string(out, word);
		else
			print_quoted(word, out);
	}
}
