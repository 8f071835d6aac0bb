// SPDX-License-Identifier: Apache-2.0
/* The restricted Damerau-Levenshtein distance, three rows of its table at a time. */
#include "common/base/nearest.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>

#define NAME_MAX_NEAR 63

static size_t smallest(size_t a, size_t b, size_t c)
{
	size_t ab = a < b ? a : b;

	return ab < c ? ab : c;
}

static int letter(char c)
{
	return tolower((unsigned char)c);
}

static bool swapped(const char *a, const char *b, size_t i, size_t j)
{
	return i > 1 && j > 1 && letter(a[i - 1]) == letter(b[j - 2]) && letter(a[i - 2]) == letter(b[j - 1]);
}

size_t name_distance(const char *a, const char *b)
{
	size_t rows[3][NAME_MAX_NEAR + 1];
	size_t *before = rows[0], *above = rows[1], *row = rows[2];
	size_t n_a = strlen(a), n_b = strlen(b);

	if (n_a > NAME_MAX_NEAR || n_b > NAME_MAX_NEAR)
		return SIZE_MAX;
	for (size_t j = 0; j <= n_b; j++)
		above[j] = j;
	for (size_t i = 1; i <= n_a; i++) {
		row[0] = i;
		for (size_t j = 1; j <= n_b; j++) {
			size_t replaced = above[j - 1] + (letter(a[i - 1]) != letter(b[j - 1]));
			row[j] = smallest(above[j] + 1, row[j - 1] + 1, replaced);
			if (swapped(a, b, i, j) && before[j - 2] + 1 < row[j])
				row[j] = before[j - 2] + 1;
		}
		size_t *oldest = before;
		before = above;
		above = row;
		row = oldest;
	}
	return above[n_b];
}

bool name_is_near(const char *a, const char *b, size_t distance)
{
	size_t n_a = strlen(a), n_b = strlen(b);
	size_t longer = n_a > n_b ? n_a : n_b;

	return distance <= longer / 3 || (distance == 1 && longer > 1);
}

const char *name_nearest(const char *name, const char *const *known)
{
	const char *best = NULL;
	size_t best_distance = SIZE_MAX;

	for (; *known; known++) {
		size_t distance = name_distance(name, *known);
		if (distance < best_distance && name_is_near(name, *known, distance)) {
			best = *known;
			best_distance = distance;
		}
	}
	return best;
}
