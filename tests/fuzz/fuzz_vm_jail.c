// SPDX-License-Identifier: Apache-2.0
/* The pure parsers of kata-shim/vm/jail: a cgroup's path never leads out, and a mount table is read to its end. */
#include <string.h>

#include "kata-shim/vm/jail/cgroup.h"
#include "kata-shim/vm/jail/mountinfo.h"
#include "kata-shim/vm/jail/virtiofsd.h"
#include "tests/fuzz/fuzz.h"

static bool leads_out(const char *path)
{
	size_t n = strlen(path);

	return *path != '/' || n < 2 || path[n - 1] == '/' || strstr(path, "//") || strstr(path, "/../") || strstr(path, "/./") ||
	       strcmp(path + n - 2, "/.") == 0 || (n >= 3 && strcmp(path + n - 3, "/..") == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = strndup((const char *)data, size), *path = NULL;
	struct slice rest = slice_from(data, size);
	struct mountinfo mount;
	enum virtiofsd_kind kind;

	ABORT_ON(!text);
	if (cgroup_path(text, "id", &path, NULL) == 0)
		ABORT_ON(leads_out(path));
	while (mountinfo_next(&rest, &mount))
		ABORT_ON(mount.point.n == 0 || mount.type.n == 0 || mount.point.p < data || mount.point.p + mount.point.n > data + size);
	if (virtiofsd_kind_of(text, &kind, NULL) == 0)
		ABORT_ON(kind != VIRTIOFSD_C && kind != VIRTIOFSD_RUST);
	return 0;
}
