// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_BASE_UTF8_H
#define HOLDFAST_BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

/*
 * The length (1 to 4) of the well-formed UTF-8 sequence at `p`, of which n bytes may be read; 0 if there is none.
 * Overlong forms, surrogates and code points above U+10FFFF are not well-formed (The Unicode Standard, table 3-7).
 */
static inline size_t utf8_length(const uint8_t *p, size_t n)
{
	uint8_t low = 0x80, high = 0xbf;
	size_t length;

	if (n == 0)
		return 0;
	if (p[0] < 0x80)
		return 1;
	if (p[0] >= 0xc2 && p[0] <= 0xdf)
		length = 2;
	else if (p[0] >= 0xe0 && p[0] <= 0xef)
		length = 3;
	else if (p[0] >= 0xf0 && p[0] <= 0xf4)
		length = 4;
	else
		return 0;
	if (n < length)
		return 0;
	if (p[0] == 0xe0)
		low = 0xa0;
	else if (p[0] == 0xed)
		high = 0x9f;
	else if (p[0] == 0xf0)
		low = 0x90;
	else if (p[0] == 0xf4)
		high = 0x8f;
	if (p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < length; i++) {
		if (p[i] < 0x80 || p[i] > 0xbf)
			return 0;
	}
	return length;
}

/* Writes the UTF-8 form of `point` (a scalar value up to U+10FFFF) to `bytes`; returns its length. */
static inline size_t utf8_encode(uint32_t point, uint8_t bytes[static 4])
{
	if (point < 0x80) {
		bytes[0] = (uint8_t)point;
		return 1;
	}
	if (point < 0x800) {
		bytes[0] = (uint8_t)(0xc0 | point >> 6);
		bytes[1] = (uint8_t)(0x80 | (point & 0x3f));
		return 2;
	}
	if (point < 0x10000) {
		bytes[0] = (uint8_t)(0xe0 | point >> 12);
		bytes[1] = (uint8_t)(0x80 | (point >> 6 & 0x3f));
		bytes[2] = (uint8_t)(0x80 | (point & 0x3f));
		return 3;
	}
	bytes[0] = (uint8_t)(0xf0 | point >> 18);
	bytes[1] = (uint8_t)(0x80 | (point >> 12 & 0x3f));
	bytes[2] = (uint8_t)(0x80 | (point >> 6 & 0x3f));
	bytes[3] = (uint8_t)(0x80 | (point & 0x3f));
	return 4;
}

#endif
