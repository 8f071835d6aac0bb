// SPDX-License-Identifier: Apache-2.0
/* Whatever stands in a guest.json: it is refused with a reason, or names two files of its own directory, and parameters that fit. */
#include <string.h>

#include "kata-shim/vm/qemu/guest.h"
#include "tests/fuzz/fuzz.h"

static void check_file(const struct guest_file *file)
{
	ABORT_ON(!*file->name || *file->name == '.' || strchr(file->name, '/') || strlen(file->name) >= sizeof(file->name));
	ABORT_ON(file->size == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct guest_manifest manifest = {};
	struct error err = {};

	int r = guest_manifest_parse(slice_from(data, size), &manifest, &err);
	ABORT_ON(r > 0 || (r < 0 && !err.message[0]));
	if (r < 0)
		return 0;
	check_file(&manifest.kernel);
	check_file(&manifest.initrd);
	ABORT_ON(strlen(manifest.parameters) >= sizeof(manifest.parameters));
	return 0;
}
