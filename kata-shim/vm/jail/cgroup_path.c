// SPDX-License-Identifier: Apache-2.0
/*
 * systemd's names of slices say where they are: "a-b.slice" is in "a.slice"; "-.slice" is the root (systemd.slice(5)). A scope is
 * "<prefix>-<name>.scope". "slice:prefix:name" is how the runtimes write all three; no slice means system.slice.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>

#include "common/base/buf.h"
#include "common/base/show.h"
#include "kata-shim/vm/jail/cgroup.h"

#define SLICE ".slice"

static int refuse(const char *cgroups_path, const char *why, struct error *err)
{
	return error_set(err, EINVAL, "linux.cgroupsPath \"%s\": %s", SHOW(slice_string(cgroups_path)), why);
}

static bool is_component(struct slice name)
{
	return name.n > 0 && name.n <= NAME_MAX && !memchr(name.p, '/', name.n) && !slice_equals_string(name, ".") &&
	       !slice_equals_string(name, "..");
}

static struct slice until(struct slice *rest, char end)
{
	const uint8_t *at = rest->n ? memchr(rest->p, end, rest->n) : NULL;
	struct slice head = slice_from(rest->p, at ? (size_t)(at - rest->p) : rest->n);

	*rest = at ? slice_from(at + 1, rest->n - head.n - 1) : slice_from(NULL, 0);
	return head;
}

/* "/a//b/" → "/a/b". */
static int plain_path(const char *cgroups_path, struct buf *out, struct error *err)
{
	struct slice rest = slice_string(cgroups_path);

	while (rest.n > 0) {
		struct slice name = until(&rest, '/');
		if (name.n == 0)
			continue;
		if (!is_component(name))
			return refuse(cgroups_path, "it leads out of its place", err);
		buf_byte(out, '/');
		buf_slice(out, name);
	}
	return out->n > 0 ? 0 : refuse(cgroups_path, "it is the root of all cgroups", err);
}

/* "a-b.slice" → "/a.slice/a-b.slice". */
static int put_slice(const char *cgroups_path, struct slice slice, struct buf *out, struct error *err)
{
	size_t stem = slice.n - (sizeof(SLICE) - 1);

	if (slice_equals_string(slice, "-" SLICE))
		return 0;
	if (slice.n <= sizeof(SLICE) - 1 || memcmp(slice.p + stem, SLICE, sizeof(SLICE) - 1) != 0)
		return refuse(cgroups_path, "its first part is no systemd slice (\"x.slice\")", err);
	for (size_t i = 0; i <= stem; i++) {
		if (i < stem && slice.p[i] != '-')
			continue;
		if (i == 0 || slice.p[i - 1] == '-')
			return refuse(cgroups_path, "a part of its slice's name is empty", err);
		buf_printf(out, "/" SLICE_FORMAT SLICE, (int)i, (const char *)slice.p);
	}
	return 0;
}

static int systemd_path(const char *cgroups_path, struct buf *out, struct error *err)
{
	struct slice rest = slice_string(cgroups_path);
	struct slice slice = until(&rest, ':'), prefix = until(&rest, ':'), name = rest;

	if (slice.n == 0)
		slice = slice_string("system" SLICE);
	if (!is_component(slice) || !is_component(name) || (prefix.n > 0 && !is_component(prefix)))
		return refuse(cgroups_path, "it is not \"slice:prefix:name\"", err);
	int r = put_slice(cgroups_path, slice, out, err);
	if (r < 0)
		return r;
	buf_byte(out, '/');
	if (prefix.n > 0)
		buf_printf(out, SLICE_FORMAT "-", SLICE_ARGS(prefix));
	buf_slice(out, name);
	buf_string(out, ".scope");
	return 0;
}

int cgroup_path(const char *cgroups_path, const char *id, char **ret, struct error *err)
{
	_cleanup_(buf_free) struct buf out = BUF_MAX(PATH_MAX / 2);
	int r;

	if (!cgroups_path || !*cgroups_path) {
		if (!is_component(slice_string(id)))
			return error_set(err, EINVAL, "\"%s\" cannot be the name of a cgroup", SHOW(slice_string(id)));
		buf_printf(&out, "/%s", id);
		r = 0;
	} else if (strchr(cgroups_path, '/')) {
		r = plain_path(cgroups_path, &out, err);
	} else {
		r = systemd_path(cgroups_path, &out, err);
	}
	if (r == 0)
		r = buf_check(&out, "the cgroup's path", err);
	if (r < 0)
		return r;
	*ret = buf_take_text(&out);
	return *ret ? 0 : error_nomem(err);
}

/* ── kubelet's ── (pkg/kubelet/cm/pod_container_manager_linux.go) */

bool cgroup_is_in_pod(const char *path, const char *uid, char **ret_pod)
{
	const char *id = strrchr(path, '/');
	char name[NAME_MAX + 1], slice[NAME_MAX + 1];

	if (!*uid || !id || snprintf(name, sizeof(name), "/pod%s/", uid) >= NAME_MAX ||
	    snprintf(slice, sizeof(slice), "-pod%s.slice/", uid) >= NAME_MAX)
		return false;
	for (char *at = slice + strlen("-pod"); *at; at++)
		*at = *at == '-' ? '_' : *at;
	const size_t n = (size_t)(id - path) + 1;
	const bool named = n >= strlen(name) && strncmp(path + n - strlen(name), name, strlen(name)) == 0;
	if (!named && (n < strlen(slice) || strncmp(path + n - strlen(slice), slice, strlen(slice)) != 0))
		return false;
	*ret_pod = strndup(path, n - 1);
	return *ret_pod;
}
