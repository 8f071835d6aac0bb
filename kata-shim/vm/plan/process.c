// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "common/base/show.h"
#include "kata-shim/vm/plan/internal.h"

/* The agent refuses a process without capabilities; one that is given none has none. */
static int give_capabilities(struct arena *arena, Oci__Process *process, struct error *err)
{
	if (!process->capabilities)
		process->capabilities = plan_new(arena, &oci__linux_capabilities__descriptor);
	return process->capabilities ? 0 : error_nomem(err);
}

/*
 * On the node a pod in a VM has 65,536 ids, mapped before its containers are known (jail/ids.h). A larger one could make no file in what is
 * shared, and owns none there, while its processes would find out by a bare EINVAL. Kubernetes has the same limit where hostUsers is false.
 */
static int check_id(const char *key, uint32_t id, const char *cure, struct error *err)
{
	if (id <= PLAN_ID_MAX)
		return 0;
	return error_set(err, EOPNOTSUPP, "process.user.%s: %" PRIu32 " is above %d, the last id of a pod in a VM: give it a lower %s", key,
			 id, PLAN_ID_MAX, cure);
}

static int check_user(const Oci__User *user, struct error *err)
{
	int r = check_id("uid", user->uid, "runAsUser, or its image a lower USER", err);

	if (r == 0)
		r = check_id("gid", user->gid, "runAsGroup, or its image a lower group", err);
	for (size_t i = 0; r == 0 && i < user->n_additional_gids; i++)
		r = check_id("additionalGids", user->additional_gids[i], "fsGroup, supplementalGroups, or group of its image", err);
	return r;
}

int plan_check_process(struct arena *arena, Oci__Process *process, struct error *err)
{
	if (process->n_args == 0 || !*process->args[0])
		return error_set(err, EINVAL, "process.args: a program is expected");
	if (process->cwd[0] != '/')
		return error_set(err, EINVAL, "process.cwd: \"%s\" is no absolute path", SHOW(slice_string(process->cwd)));
	if (!process->user)
		process->user = plan_new(arena, &oci__user__descriptor);
	if (!process->user)
		return error_nomem(err);
	int r = check_user(process->user, err);
	return r < 0 ? r : give_capabilities(arena, process, err);
}

int plan_read_process(struct slice json, struct plan_process *ret, struct error *err)
{
	_cleanup_(plan_process_clear) struct plan_process process = {};

	int r = json_parse(json, &plan_json_limits, &process.tree, err);
	if (r < 0)
		return error_wrap(err, "process");
	const struct json_view root = json_root(process.tree);
	r = plan_read(&process.arena, &root, &oci__process__descriptor, &process.message, err);
	if (r < 0)
		return error_wrap(err, "process");
	r = plan_check_process(&process.arena, process.message, err);
	if (r < 0)
		return r;
	*ret = process;
	process = (struct plan_process){};
	return 0;
}

void plan_process_clear(struct plan_process *process)
{
	json_free(process->tree);
	arena_clear(&process->arena);
	*process = (struct plan_process){};
}

int plan_read_resources(struct slice json, struct plan_resources *ret, struct error *err)
{
	_cleanup_(plan_resources_clear) struct plan_resources resources = {};

	int r = json_parse(json, &plan_json_limits, &resources.tree, err);
	if (r < 0)
		return error_wrap(err, "resources");
	const struct json_view root = json_root(resources.tree);
	r = plan_read(&resources.arena, &root, &oci__linux_resources__descriptor, &resources.message, err);
	if (r == 0)
		r = plan_check_resources(&root, &resources.cpus, err);
	if (r == 0)
		r = plan_check_huge_pages(resources.message, err);
	if (r < 0)
		return error_wrap(err, "resources");
	*ret = resources;
	resources = (struct plan_resources){};
	return 0;
}

void plan_resources_clear(struct plan_resources *resources)
{
	json_free(resources->tree);
	arena_clear(&resources->arena);
	*resources = (struct plan_resources){};
}
