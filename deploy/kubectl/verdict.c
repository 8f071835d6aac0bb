// SPDX-License-Identifier: Apache-2.0
/* A cause may hold a semicolon: only one that the name of a part and "is" follow ends it. */
#include "deploy/kubectl/verdict.h"

#include <stdbool.h>
#include <stdio.h>

#include "common/base/array.h"

/* Where the part's words begin, behind "network is "; NULL: it is not spoken of. `at`: search from there. */
static const char *find_words(const char *message, const char *at, const char *part)
{
	const size_t n = strlen(part);

	while ((at = strstr(at, part))) {
		bool begins = at == message || (at >= message + 2 && memcmp(at - 2, "; ", 2) == 0);
		if (begins && strncmp(at + n, " is ", 4) == 0)
			return at + n + 4;
		at += n;
	}
	return NULL;
}

struct slice verdict_of(const char *message, const char *part)
{
	static const char *const parts[] = { "network", "vm", "tpm" };
	const char *begin = message ? find_words(message, message, part) : NULL;

	if (!begin)
		return slice_from(NULL, 0);
	size_t n = strlen(begin);
	for (size_t i = 0; i < ELEMENTS_OF(parts); i++) {
		const char *next = find_words(message, begin, parts[i]);
		const size_t head = strlen("; ") + strlen(parts[i]) + strlen(" is ");
		if (next && (size_t)(next - begin) - head < n)
			n = (size_t)(next - begin) - head;
	}
	return slice_from(begin, n);
}
