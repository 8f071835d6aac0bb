// SPDX-License-Identifier: Apache-2.0
#include "kata-shim/route/backend.h"

#include <string.h>

const char *const backend_names[BACKENDS + 1] = { [BACKEND_RUNC] = "runc", [BACKEND_KATA] = "kata", [BACKEND_VM] = "vm" };

bool backend_parse(const char *text, enum backend *ret)
{
	for (int i = 0; i < BACKENDS; i++) {
		if (strcmp(text, backend_names[i]) == 0) {
			*ret = (enum backend)i;
			return true;
		}
	}
	return false;
}
