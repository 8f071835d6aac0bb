// SPDX-License-Identifier: Apache-2.0
/*
 * What is mounted is known by the form that kubelet gives to paths (kubernetes: pkg/kubelet/config/defaults.go), wherever its own directory
 * is (k3s, MicroK8s and others move it):
 *
 *	…/pods/<uid>/volumes/<plugin>/<name>                          the whole volume
 *	…/pods/<uid>/volume-subpaths/<name>/<container>/<index>       a subPath of it: the plugin is not said
 *
 * A path of this form that is another pod's is a path of the host like any other.
 */
#include <string.h>

#include "common/base/array.h"
#include "kata-shim/vm/plan/internal.h"

bool path_is_in(const char *path, const char *directory)
{
	const size_t n = strlen(directory);

	return n > 0 && strncmp(path, directory, n) == 0 && (!path[n] || path[n] == '/');
}

bool path_has_dots(const char *path)
{
	for (const char *part = path; part; part = strchr(part, '/')) {
		part += *part == '/';
		if (strncmp(part, "..", 2) == 0 && (part[2] == '/' || !part[2]))
			return true;
	}
	return false;
}

/* One component; false if there is none. */
static bool next_part(const char **path, struct slice *ret)
{
	const size_t n = strcspn(*path, "/");

	if (n == 0)
		return false;
	*ret = slice_from(*path, n);
	*path += n + ((*path)[n] == '/');
	return true;
}

static enum volume_kind kind_of(struct slice plugin)
{
	static const char *const copied[] = { "kubernetes.io~secret", "kubernetes.io~configmap", "kubernetes.io~projected",
					      "kubernetes.io~downward-api" };

	for (size_t i = 0; i < ELEMENTS_OF(copied); i++) {
		if (slice_equals_string(plugin, copied[i]))
			return VOLUME_COPIED;
	}
	return slice_equals_string(plugin, "kubernetes.io~empty-dir") ? VOLUME_EMPTY_DIR : VOLUME_OTHER;
}

static struct volume volume_in_pod(struct slice pod, const char *rest)
{
	struct volume volume = { .pod = pod };
	struct slice folder, plugin, container, index;

	if (!next_part(&rest, &folder))
		return volume;
	if (slice_equals_string(folder, "volumes") && next_part(&rest, &plugin) && next_part(&rest, &volume.name) && !*rest)
		volume.kind = kind_of(plugin);
	else if (slice_equals_string(folder, "volume-subpaths") && next_part(&rest, &volume.name) && next_part(&rest, &container) &&
		 next_part(&rest, &index) && !*rest)
		volume.kind = VOLUME_SUB_PATH;
	return volume;
}

struct volume volume_of(const char *path, const char *uid, const char *sealed)
{
	struct volume volume = {};

	if (sealed && path_is_in(path, sealed))
		return (struct volume){ .kind = VOLUME_COPIED };
	if (!uid || !*uid)
		return volume;
	const size_t n = strlen(uid);
	for (const char *at = strstr(path, "/pods/"); at && volume.kind == VOLUME_OTHER; at = strstr(at + 1, "/pods/")) {
		const char *rest = at + strlen("/pods/");
		if (strncmp(rest, uid, n) == 0 && rest[n] == '/')
			volume = volume_in_pod(slice_from(path, (size_t)(rest + n - path)), rest + n + 1);
	}
	return volume;
}
