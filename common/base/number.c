// SPDX-License-Identifier: Apache-2.0
#include "common/base/number.h"

#include <errno.h>
#include <inttypes.h>

#include "common/base/show.h"

static int not_a_number(struct slice text, struct error *err)
{
	return error_set(err, EINVAL, "\"%s\" is not a decimal number", SHOW(text));
}

int number_parse_u64(struct slice text, uint64_t minimum, uint64_t maximum, uint64_t *ret, struct error *err)
{
	uint64_t value = 0;

	if (text.n == 0 || (text.n > 1 && text.p[0] == '0'))
		return not_a_number(text, err);
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] < '0' || text.p[i] > '9')
			return not_a_number(text, err);
		if (__builtin_mul_overflow(value, (uint64_t)10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(text.p[i] - '0'), &value))
			return error_set(err, ERANGE, "number of %zu digits is above %" PRIu64, text.n, maximum);
	}
	if (value < minimum)
		return error_set(err, ERANGE, "%" PRIu64 " is below %" PRIu64, value, minimum);
	if (value > maximum)
		return error_set(err, ERANGE, "%" PRIu64 " is above %" PRIu64, value, maximum);
	*ret = value;
	return 0;
}
