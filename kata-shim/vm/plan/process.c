// SPDX-License-Identifier: Apache-2.0
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

int plan_check_process(struct arena *arena, Oci__Process *process, struct error *err)
{
	if (process->n_args == 0 || !*process->args[0])
		return error_set(err, EINVAL, "process.args: a program is expected");
	if (process->cwd[0] != '/')
		return error_set(err, EINVAL, "process.cwd: \"%s\" is no absolute path", SHOW(slice_string(process->cwd)));
	if (!process->user)
		process->user = plan_new(arena, &oci__user__descriptor);
	return process->user ? give_capabilities(arena, process, err) : error_nomem(err);
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
		r = plan_check_resources(&root, err);
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
