// SPDX-License-Identifier: Apache-2.0
#include "kata-shim/route/pattern.h"

#include <stddef.h>

/* Only the last star is ever tried again: what an earlier one took too little of, the later one can take instead. */
bool pattern_matches(const char *pattern, const char *text)
{
	const char *star = NULL, *resume = NULL;

	while (*text) {
		if (*pattern == '*') {
			star = ++pattern;
			resume = text;
		} else if (*pattern == '?' || *pattern == *text) {
			pattern++;
			text++;
		} else if (star) {
			pattern = star;
			text = ++resume;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return !*pattern;
}
