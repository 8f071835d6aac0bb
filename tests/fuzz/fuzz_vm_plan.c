// SPDX-License-Identifier: Apache-2.0
/*
 * Whatever stands in a bundle's config.json, as a sandbox, as a container of one, as an exec's process or an update's resources: it is
 * refused with a reason, or nothing of it leads the guest out of its share, and the message can be sent.
 */
#include <string.h>

#include "kata-shim/vm/plan/plan.h"
#include "tests/fuzz/fuzz.h"

static void check_source(const struct plan_source *source)
{
	ABORT_ON(source->host[0] != '/' || strstr(source->host, "/../"));
	ABORT_ON(strchr(source->name, '/') || strlen(source->name) >= 128 || strcmp(source->name, "..") == 0);
	ABORT_ON(source->guest != source->mount->source);
	ABORT_ON(strncmp(source->guest, "/run/kata-containers/", 21) != 0 || strstr(source->guest, "/.."));
	ABORT_ON((source->way == PLAN_MEMORY) != (source->storage != NULL));
	ABORT_ON(source->sub_path && (!source->storage || strcmp(source->sub_path->source, source->storage->mount_point) != 0));
}

static void check_plan(struct plan *plan, unsigned seed)
{
	const struct plan_seen seen = {
		.file_system = seed % 3, .bytes = seed, .mode = seed, .gid = seed, .asked = seed & 8, .sub_path = { "/a"[seed & 1] }
	};
	struct error err = {};

	for (size_t i = 0; i < plan->n_sources; i++) {
		check_source(&plan->sources[i]);
		int r = plan_settle(plan, &plan->sources[i], &seen, &err);
		ABORT_ON(r > 0 || (r < 0 && !err.message[0]) || (r == 0 && plan->sources[i].way == PLAN_OPEN));
		check_source(&plan->sources[i]);
	}
	for (size_t i = 0; i < plan->spec->n_mounts; i++)
		ABORT_ON(plan->spec->mounts[i]->destination[0] != '/');
	ABORT_ON(!plan->spec->process->capabilities || plan->spec->process->n_args == 0 || plan->spec->linux_->n_namespaces == 0);
	ABORT_ON(protobuf_c_message_get_packed_size(&plan->spec->base) == 0);
}

static void make(struct slice text, const struct plan_sandbox *sandbox)
{
	const struct plan_question question = { .container = "c1", .sandbox = sandbox, .sealed = "/run/holdfast/vol" };
	_cleanup_(plan_clear) struct plan plan = {};
	struct error err = {};

	int r = plan_make(text, &question, &plan, &err);
	ABORT_ON(r > 0 || (r < 0 && (!err.message[0] || plan.spec || plan.tree)));
	if (r == 0)
		check_plan(&plan, (unsigned)text.n);
}

static void read_exec(struct slice text)
{
	_cleanup_(plan_process_clear) struct plan_process process = {};
	_cleanup_(plan_resources_clear) struct plan_resources resources = {};
	struct error err = {};

	int r = plan_read_process(text, &process, &err);
	ABORT_ON((r < 0) != (process.message == NULL));
	r = plan_read_resources(text, &resources, &err);
	ABORT_ON((r < 0) != (resources.message == NULL));
}

static void read_dns(struct slice text)
{
	_cleanup_(arena_clear) struct arena arena = {};
	struct error err = {};
	char **lines;
	size_t n;

	if (plan_dns(text, &arena, &lines, &n, &err) < 0)
		return;
	for (size_t i = 0; i < n; i++)
		ABORT_ON(!*lines[i] || strchr(lines[i], '\n'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct slice text = slice_from(data, size);
	/* A container of any sandbox: its own says which. */
	_cleanup_(plan_sandbox_clear) struct plan_sandbox sandbox = {}, own = {};
	struct error err = {};

	if (spec_parse(text, &own.pod, &err) == 0 && own.pod.kind == SPEC_CONTAINER)
		make(text, &own);
	int r = plan_read_sandbox(text, &sandbox, &err);
	ABORT_ON(r > 0 || (r < 0 && (!err.message[0] || sandbox.pod.annotations)));
	if (r == 0)
		make(text, &sandbox);
	read_exec(text);
	read_dns(text);
	return 0;
}
