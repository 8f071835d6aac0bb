// SPDX-License-Identifier: Apache-2.0
/*
 * `start` is called for a sandbox, where it is decided, and for each further container of a pod, which follows. containerd shows what we
 * write as the reason in the pod's event. Standard input belongs to the shim that comes after us and is not touched.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kata-shim/backend/run.h"
#include "kata-shim/bundle/bundle.h"
#include "kata-shim/cli/call.h"
#include "kata-shim/record/sandbox.h"

/* As it stands in messages: pod "shop/db-0", or container "a1b2". */
#define SUBJECT_MAX 400
static void subject(const struct call *call, const struct spec *spec, char ret[static SUBJECT_MAX])
{
	if (spec->namespace && spec->name)
		snprintf(ret, SUBJECT_MAX, "pod \"%.63s/%.253s\"", spec->namespace, spec->name);
	else
		snprintf(ret, SUBJECT_MAX, "container \"%.76s\"", call->arguments.id);
}

static int check_kata_config(const char *path, struct error *err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return error_errno(err, errno, "cannot read Kata's configuration %s", path);
	return 0;
}

static int decide(const struct call *call, const struct spec *spec, const struct settings *settings, struct decision *ret,
		  struct error *err)
{
	const struct route_question question = { call->handler, spec };
	struct decision decision = {};
	struct route route;
	char who[SUBJECT_MAX];

	int r = route_decide(&settings->rules, &question, &route, err);
	if (r < 0)
		return r;
	decision.backend = route.backend;
	memcpy(decision.why, route.why, sizeof(decision.why));
	if (route.kata_config)
		snprintf(decision.kata_config, sizeof(decision.kata_config), "%s", route.kata_config);
	r = decision.backend == BACKEND_VM ? call_vm_check(settings, err) : follow_find_shim(call, settings, &decision, err);
	if (r == 0 && *decision.kata_config)
		r = check_kata_config(decision.kata_config, err);
	if (r < 0) {
		subject(call, spec, who);
		return error_wrap(err, "%s must run in %s (%s)", who, backend_names[decision.backend], decision.why);
	}
	*ret = decision;
	return 0;
}

/*
 * Recorded once the shim lives and its process is known: if we are killed before, nothing stays that would have to be removed, and containerd
 * gives the pod up. Without a record a pod runs all the same; it just has no right to what only VMs may have.
 */
static int run_recorded(const struct run *run, const char *directory, struct record *record, struct error *err)
{
	pid_t shim;
	int status;

	int r = record_make_directory(directory, err);
	if (r == 0)
		r = run_and_learn(run, &status, &shim, err);
	if (r < 0)
		return r;
	record->shim = shim;
	record->time = time(NULL);
	if (status == 0 && shim > 0 && record_write(directory, record, err) < 0)
		record_remove(directory, record->id);
	run_end_as(status);
}

static int start_sandbox(const struct call *call, int bundle, const struct spec *spec, struct error *err)
{
	_cleanup_(settings_clear) struct settings settings = {};
	struct decision decision;
	struct record record;

	int r = settings_load(&settings, err);
	if (r == 0)
		r = decide(call, spec, &settings, &decision, err);
	if (r == 0)
		r = decision_write(bundle, &decision, err);
	if (r < 0)
		return r;
	if (decision.backend == BACKEND_VM)
		return call_vm_start_sandbox(call, bundle, spec, &settings, err);
	if (!record_of(spec, call->arguments.id, decision.backend, &record))
		return follow_run(call, &decision, err);
	const struct run run = { decision.shim, call->words, *decision.kata_config ? decision.kata_config : NULL };
	return run_recorded(&run, settings.records, &record, err);
}

static int start_container(const struct call *call, int bundle, const struct spec *spec, struct error *err)
{
	_cleanup_(settings_clear) struct settings settings = { .records = RECORD_DEFAULT_DIRECTORY };
	struct decision decision;
	struct error ignored;

	/* Its rules have no say any more, so what is wrong with them is no reason. */
	if (settings_load(&settings, &ignored) < 0)
		settings = (struct settings){ .records = RECORD_DEFAULT_DIRECTORY };
	int r = follow_sandbox(bundle, spec->sandbox_id, settings.records, &decision, err);
	if (r == -ENOENT)
		return error_set(err, ENOENT,
				 "what was decided for sandbox %s is lost (no " DECISION_FILE
				 " in its bundle, no record in %s): delete the "
				 "pod, so that it is made anew",
				 spec->sandbox_id, settings.records);
	if (r == 0 && decision.backend == BACKEND_VM)
		return call_vm_start_container(call, bundle, spec->sandbox_id, err);
	if (r == 0)
		r = follow_find_shim(call, &settings, &decision, err);
	return r < 0 ? error_wrap(err, "container of sandbox %s", spec->sandbox_id) : follow_run(call, &decision, err);
}

static int start(const struct call *call, int bundle, const struct spec *spec, struct error *err)
{
	const char *id = call->arguments.id;

	if (spec->kind == SPEC_CONTAINER)
		return start_container(call, bundle, spec, err);
	if (spec->kind == SPEC_SANDBOX && spec->sandbox_id && strcmp(spec->sandbox_id, id) != 0)
		return error_set(err, EINVAL, "config.json is of sandbox %s, and containerd starts %s", spec->sandbox_id, id);
	return start_sandbox(call, bundle, spec, err);
}

int call_start(const struct call *call, struct error *err)
{
	_cleanup_(spec_clear) struct spec spec = {};
	_cleanup_close_ int bundle = -1;

	int r = bundle_open(".", &bundle, err);
	if (r == 0)
		r = bundle_read_spec(bundle, &spec, err);
	if (r < 0)
		return error_wrap(err, "bundle of %s", call->arguments.id);
	return start(call, bundle, &spec, err);
}
