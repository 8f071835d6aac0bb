// SPDX-License-Identifier: Apache-2.0
/*
 * What the host has only one of cannot be a VM's. A sandbox says whether its pod is the host's: then the namespace is not in its list. A
 * container always has it there, with a path below /proc of the sandbox's process, which says nothing more of the host.
 */
#include <string.h>

#include "common/base/array.h"
#include "common/base/show.h"
#include "kata-shim/vm/plan/internal.h"

enum space { SPACE_MOUNT, SPACE_PID, SPACE_IPC, SPACE_UTS, SPACE_NETWORK, SPACE_CGROUP, SPACE_TIME, SPACE_USER };
static const char *const space_names[] = {
	[SPACE_MOUNT] = "mount",     [SPACE_PID] = "pid",       [SPACE_IPC] = "ipc",   [SPACE_UTS] = "uts",
	[SPACE_NETWORK] = "network", [SPACE_CGROUP] = "cgroup", [SPACE_TIME] = "time", [SPACE_USER] = "user",
};
#define SPACES ELEMENTS_OF(space_names)

static const char *const without[SPACES] = {
	[SPACE_PID] = "the host's processes (hostPID) cannot be seen from a VM: leave out hostPID: true",
	[SPACE_IPC] = "the host's IPC (hostIPC) cannot be used from a VM: leave out hostIPC: true",
	[SPACE_UTS] = "the host's name cannot be a VM's own: leave out what asks for the host's UTS namespace",
	[SPACE_NETWORK] = "the host's network (hostNetwork) cannot be a VM's: leave out hostNetwork: true",
};

/* "" is a new one, NULL none at all: then the host's. */
struct spaces {
	const char *path[SPACES];
};

static int find_space(const struct json_view *at, size_t *ret, struct error *err)
{
	const char *name;

	int r = json_expect_string(at, &name, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < SPACES; i++) {
		if (strcmp(space_names[i], name) == 0) {
			*ret = i;
			return 0;
		}
	}
	return plan_refuse(at, err, "\"%s\" is a namespace that Holdfast does not know: leave it out", SHOW(slice_string(name)));
}

static int read_space(const struct json_view *at, struct spaces *spaces, struct error *err)
{
	static const char *const keys[] = { "type", "path", NULL };
	struct json_view type, path;
	const char *text = "";
	size_t space;

	int r = json_expect_object(at, err);
	if (r == 0)
		r = json_expect_keys(at, keys, err);
	if (r == 0)
		r = json_require(at, "type", &type, err);
	if (r == 0)
		r = find_space(&type, &space, err);
	if (r == 0 && json_member(at, "path", &path))
		r = json_expect_string(&path, &text, err);
	if (r < 0)
		return r;
	if (spaces->path[space])
		return json_error(&type, err, "\"%s\" is there twice", space_names[space]);
	spaces->path[space] = text;
	return 0;
}

static bool is_hosts_own(const char *path)
{
	static const char *const starts[] = { "/proc/1/", "/proc/self/", "/proc/thread-self/" };

	for (size_t i = 0; i < ELEMENTS_OF(starts); i++) {
		if (strncmp(path, starts[i], strlen(starts[i])) == 0)
			return true;
	}
	return false;
}

/* Whatever is there of another process is somebody else's, but for the network, which CNI makes before. */
static int check_own(const struct json_view *at, const struct spaces *spaces, struct error *err)
{
	static const enum space order[] = { SPACE_NETWORK, SPACE_PID, SPACE_IPC, SPACE_UTS };

	for (size_t i = 0; i < ELEMENTS_OF(order); i++) {
		const char *path = spaces->path[order[i]];
		if (!path || is_hosts_own(path))
			return plan_refuse(at, err, "%s: %s", space_names[order[i]], without[order[i]]);
		if (*path && order[i] != SPACE_NETWORK)
			return plan_refuse(at, err, "%s: \"%s\" is another one's namespace, which is not in the VM: leave it out",
					   space_names[order[i]], SHOW(slice_string(path)));
	}
	return 0;
}

static int check_joined(const struct json_view *at, const struct spaces *spaces, struct error *err)
{
	static const enum space order[] = { SPACE_NETWORK, SPACE_PID, SPACE_IPC };

	for (size_t i = 0; i < ELEMENTS_OF(order); i++) {
		const char *path = spaces->path[order[i]];
		if (!path)
			return plan_refuse(at, err, "%s: %s", space_names[order[i]], without[order[i]]);
		if (!*path && order[i] != SPACE_PID)
			return plan_refuse(at, err, "%s: the containers of a VM have their sandbox's, this one asks for its own",
					   space_names[order[i]]);
	}
	return 0;
}

/* The one of processes is the agent's to add. Kata's adds it also where it is there, and then cannot execute anything in the container. */
static int give_namespaces(struct arena *arena, Oci__Linux *linux_, struct error *err)
{
	static const enum space given[] = { SPACE_MOUNT, SPACE_IPC, SPACE_UTS };
	const size_t n = ELEMENTS_OF(given);
	Oci__LinuxNamespace **list = ARENA_ARRAY(arena, Oci__LinuxNamespace *, n);

	if (!list)
		return error_nomem(err);
	for (size_t i = 0; i < n; i++) {
		list[i] = plan_new(arena, &oci__linux_namespace__descriptor);
		if (!list[i])
			return error_nomem(err);
		list[i]->type = (char *)space_names[given[i]];
	}
	linux_->namespaces = list;
	linux_->n_namespaces = n;
	return 0;
}

int plan_check_namespaces(struct arena *arena, const struct json_view *linux_view, enum spec_kind kind, Oci__Linux *linux_,
			  struct plan_spaces *ret, struct error *err)
{
	struct spaces spaces = {};
	struct json_view at;
	size_t n;

	int r = json_require(linux_view, "namespaces", &at, err);
	if (r == 0)
		r = json_expect_array(&at, SPACES, &n, err);
	if (r < 0)
		return r;
	JSON_FOR_EACH(item, &at) {
		r = read_space(&item, &spaces, err);
		if (r < 0)
			return r;
	}
	if (spaces.path[SPACE_USER])
		return plan_refuse(&at, err, "user: a user namespace of the host is not needed in a VM: leave out hostUsers: false");
	r = kind == SPEC_CONTAINER ? check_joined(&at, &spaces, err) : check_own(&at, &spaces, err);
	if (r < 0)
		return r;
	const bool shares = kind == SPEC_CONTAINER && *spaces.path[SPACE_PID];
	const char *network = *spaces.path[SPACE_NETWORK] ? spaces.path[SPACE_NETWORK] : NULL;
	r = give_namespaces(arena, linux_, err);
	if (r == 0)
		*ret = (struct plan_spaces){ .network = network, .shares_processes = shares };
	return r;
}
