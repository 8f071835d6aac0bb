// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_BASE_NUMBER_H
#define HOLDFAST_BASE_NUMBER_H

#include <stdint.h>

#include "common/base/error.h"
#include "common/base/slice.h"

/*
 * Decimal digits only, the whole input, range checked: no sign, no space, no leading zero but "0" itself.
 * The error says the value and the range; the caller adds the noun with error_wrap. EINVAL or ERANGE.
 */
int number_parse_u64(struct slice text, uint64_t minimum, uint64_t maximum, uint64_t *ret, struct error *err) must_check;

static inline must_check int number_parse_u32(struct slice text, uint32_t minimum, uint32_t maximum, uint32_t *ret, struct error *err)
{
	uint64_t value;
	int r = number_parse_u64(text, minimum, maximum, &value, err);

	if (r == 0)
		*ret = (uint32_t)value;
	return r;
}

static inline must_check int number_parse_u16(struct slice text, uint16_t minimum, uint16_t maximum, uint16_t *ret, struct error *err)
{
	uint64_t value;
	int r = number_parse_u64(text, minimum, maximum, &value, err);

	if (r == 0)
		*ret = (uint16_t)value;
	return r;
}

#endif
