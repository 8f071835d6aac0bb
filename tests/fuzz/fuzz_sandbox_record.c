// SPDX-License-Identifier: Apache-2.0
/* Whatever stands in a record: it is refused, or says who the pod is, what it runs on and whose process that is. */
#include "device-plugin/plugin/sandbox_record.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sandbox_record record;
	struct error err = {};

	int r = sandbox_record_parse(slice_from(data, size), &record, &err);
	ABORT_ON(r > 0 || (r < 0 && !err.message[0]));
	if (r < 0)
		return 0;
	ABORT_ON(!*record.pod_uid || !*record.namespace || !*record.name || record.shim_pid < 1);
	ABORT_ON((unsigned)record.backend >= SANDBOX_BACKENDS || !sandbox_backend_name(record.backend));
	return 0;
}
