// SPDX-License-Identifier: Apache-2.0
/* Whatever stands in the file: it is refused whole, or every device has a resource of ours, a container, and a UID that is a mere name. */
#include <string.h>

#include "device-plugin/plugin/checkpoint.h"
#include "device-plugin/plugin/device.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(checkpoint_clear) struct checkpoint checkpoint = {};
	struct error err = {};

	int r = checkpoint_parse(slice_from(data, size), &checkpoint, &err);
	ABORT_ON(r > 0 || (r < 0 && (!err.message[0] || checkpoint.n > 0 || checkpoint.devices)));
	for (size_t i = 0; i < checkpoint.n; i++) {
		const struct checkpoint_device *device = &checkpoint.devices[i];
		ABORT_ON(!device_secret_of_resource(device->resource));
		ABORT_ON(!device->device || !*device->container || !*device->pod_uid || strpbrk(device->pod_uid, "/."));
	}
	return 0;
}
