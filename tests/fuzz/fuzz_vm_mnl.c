// SPDX-License-Identifier: Apache-2.0
/* Our few functions of libmnl read whatever a netlink socket gives as libmnl does. The first byte is how long the fixed part is. */
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "tests/unit/kata_shim/own_mnl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1 || size > 65536)
		return 0;
	/* A copy of its own size, so that a sanitizer sees what is read behind it. */
	uint8_t *copy = malloc(size - 1 ? size - 1 : 1);
	ABORT_ON(!copy);
	memcpy(copy, data + 1, size - 1);
	ABORT_ON(own_mnl_walk(copy, size - 1, data[0] % 32) != NULL);
	free(copy);
	return 0;
}
