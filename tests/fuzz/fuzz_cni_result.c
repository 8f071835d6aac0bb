// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "cni-plugin/agent/cni_result.h"
#include "common/base/cleanup.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ uint8_t *copy = malloc(size ? size : 1); /* of its own, so that the sanitizer sees a read behind the end */
	struct cni_result result;
	struct error err;

	ABORT_ON(!copy);
	memcpy(copy, data, size);
	if (cni_result_read(slice_from(copy, size), &result, &err) < 0) {
		ABORT_ON(strncmp(err.message, "prevResult: ", 12) != 0);
		return 0;
	}
	ABORT_ON(result.n_addresses == 0 || result.n_addresses > POLICY_ENDPOINT_ADDRESSES_MAX);
	for (size_t i = 0; i < result.n_addresses; i++)
		ABORT_ON(result.addresses[i].family != AF_INET && result.addresses[i].family != AF_INET6);
	return 0;
}
