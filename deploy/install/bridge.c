// SPDX-License-Identifier: Apache-2.0
/*
 * What we have set is written down in /run, before it is set: a reboot forgets the one as it does the other, so that uninstalling never takes back
 * what somebody else has set since.
 */
#include "deploy/install/bridge.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/array.h"
#include "common/base/cleanup.h"
#include "deploy/install/cni/entry.h"
#include "deploy/install/host/host.h"
#include "deploy/install/host/run.h"
#include "deploy/install/node.h"

#define SETTINGS "/proc/sys/net/bridge"
#define RECORD NODE_RUN "/" NODE_RUN_BRIDGE
#define LOAD_MS 10000

static const char *const names[] = { "bridge-nf-call-iptables", "bridge-nf-call-ip6tables" };

static int name_setting(const char *root, const char *name, char ret[static PATH_MAX], struct error *err)
{
	if (snprintf(ret, PATH_MAX, "%s" SETTINGS "/%s", root, name) < PATH_MAX)
		return 0;
	return error_set(err, ENAMETOOLONG, "the path %.64s is too long", root);
}

static bool runs(const char *root)
{
	char path[PATH_MAX];

	return snprintf(path, sizeof(path), "%s/proc/sys", root) < (int)sizeof(path) && access(path, F_OK) == 0;
}

static bool has_module(const char *root)
{
	char path[PATH_MAX];

	return name_setting(root, names[0], path, NULL) == 0 && access(path, F_OK) == 0;
}

static bool is_one(const char *root, const char *name)
{
	char path[PATH_MAX], value = 0;

	if (name_setting(root, name, path, NULL) < 0)
		return false;
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd >= 0 && read(fd, &value, 1) == 1 && value == '1';
}

static int set(const char *root, const char *name, const char *value, struct error *err)
{
	char path[PATH_MAX];

	int r = name_setting(root, name, path, err);
	if (r < 0)
		return r;
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, value, 1) != 1)
		return error_errno(err, errno, "cannot set %s to %s", path, value);
	return 0;
}

static int is_bridged(const char *root, const char *lists, bool *ret, struct error *err)
{
	*ret = false;
	return runs(root) ? cni_entry_is_bridged(root, lists, ret, err) : 0;
}

int bridge_look(const char *root, const char *lists, enum bridge_state *ret, struct error *err)
{
	bool bridged;

	int r = is_bridged(root, lists, &bridged, err);
	if (r < 0)
		return r;
	*ret = bridged ? BRIDGE_ON : BRIDGE_NONE;
	for (size_t i = 0; bridged && i < ELEMENTS_OF(names); i++) {
		if (is_one(root, names[i]))
			continue;
		*ret = BRIDGE_OFF;
		if (!has_module(root))
			error_set(err, ENOSYS, "pods are on a bridge, and the kernel module br_netfilter is not loaded: no pod starts");
		else
			error_set(err, ENOSYS, "pods are on a bridge, and net.bridge.%s is not 1: packets between them pass no rules", names[i]);
		return 0;
	}
	return 0;
}

static int load_module(const char *root, struct error *err)
{
	const struct host_script script = { .root = root, .text = "modprobe br_netfilter", .timeout_ms = LOAD_MS };
	struct host_answer answer = { .words = "" };

	int r = host_run(&script, &answer, err);
	if (r == 0 && has_module(root))
		return 0;
	if (r == 0)
		error_set(err, ENOSYS, "%s", *answer.words ? answer.words : SETTINGS " is still missing");
	return error_wrap(err, "pods are on a bridge, and `modprobe br_netfilter` fails, without which no pod starts");
}

static int note(const char *root, const char *name, struct error *err)
{
	char directory[PATH_MAX], path[PATH_MAX];

	int r = host_make_directory(root, RECORD, NULL, NULL, directory, err);
	if (r == 0 && snprintf(path, sizeof(path), "%s/%s", directory, name) >= (int)sizeof(path))
		return error_set(err, ENAMETOOLONG, "the path %.64s is too long", directory);
	return r < 0 ? r : host_put(path, slice_from(NULL, 0), 0600, err);
}

/* A module that is just being loaded comes with 1. */
static int put_all(const char *root, struct error *err)
{
	bool off[ELEMENTS_OF(names)];
	int r = 0;

	for (size_t i = 0; r == 0 && i < ELEMENTS_OF(names); i++) {
		off[i] = !is_one(root, names[i]);
		if (off[i])
			r = note(root, names[i], err);
	}
	if (r == 0 && !has_module(root))
		r = load_module(root, err);
	for (size_t i = 0; r == 0 && i < ELEMENTS_OF(names); i++) {
		if (off[i])
			r = set(root, names[i], "1", err);
	}
	return r < 0 ? r : 1;
}

int bridge_put(const char *root, const char *lists, struct error *err)
{
	enum bridge_state state;

	int r = bridge_look(root, lists, &state, err);
	return r < 0 || state != BRIDGE_OFF ? r : put_all(root, err);
}

static int restore(const char *root, const char *directory, const char *name, struct error *err)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/%s", directory, name) >= (int)sizeof(path))
		return error_set(err, ENAMETOOLONG, "the path %.64s is too long", directory);
	if (access(path, F_OK) < 0 || !is_one(root, name))
		return 0;
	return set(root, name, "0", err);
}

int bridge_restore(const char *root, struct error *err)
{
	char directory[PATH_MAX];
	int r = 0;

	if (host_find(root, RECORD, directory, NULL) < 0)
		return 0;
	for (size_t i = 0; r == 0 && i < ELEMENTS_OF(names); i++)
		r = restore(root, directory, names[i], err);
	return r < 0 ? r : host_remove_tree(directory, err);
}
