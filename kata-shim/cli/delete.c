// SPDX-License-Identifier: Apache-2.0
/*
 * `delete` must clean up whatever is known: containerd calls it when the shim of a sandbox or a container has ended, in any way, and again
 * for what it finds after a restart. So nothing that is missing or broken ends it; each source of the decision that fails gives way to
 * the next, and where no shim can be run, what is owed to containerd is done here.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/base/file.h"
#include "kata-shim/backend/cleanup.h"
#include "kata-shim/bundle/bundle.h"
#include "kata-shim/cli/call.h"
#include "kata-shim/record/sandbox.h"

static void decide_anew(const struct call *call, const struct spec *spec, const struct settings *settings, struct decision *decision)
{
	const struct route_question question = { call->handler, spec };
	struct route route;

	*decision = (struct decision){ .backend = BACKEND_RUNC };
	if (route_decide(&settings->rules, &question, &route, NULL) == 0)
		decision->backend = route.backend;
}

/* `bundle` may be -1, and the spec empty. True: it is the sandbox that is deleted, and not one of its containers. */
static bool find_decision(const struct call *call, int bundle, const struct settings *settings, struct decision *decision)
{
	_cleanup_(spec_clear) struct spec spec = {};
	const char *id = call->arguments.id;

	if (bundle < 0 || follow_sandbox(bundle, id, settings->records, decision, NULL) == 0)
		return true;
	if (bundle_read_spec(bundle, &spec, NULL) == 0 && spec.kind == SPEC_CONTAINER &&
	    follow_sandbox(bundle, spec.sandbox_id, settings->records, decision, NULL) == 0)
		return false;
	decide_anew(call, &spec, settings, decision);
	return spec.kind != SPEC_CONTAINER;
}

/* The defaults, if the file cannot be read: nothing may be left because of that. */
static void load_settings(struct settings *settings)
{
	struct error why;

	if (settings_load(settings, &why) == 0)
		return;
	fprintf(stderr, PROGRAM ": %s\n", why.message);
	if (settings_parse(slice_from(NULL, 0), settings, &why) < 0)
		*settings = (struct settings){ .records = RECORD_DEFAULT_DIRECTORY };
}

static int clean_up(int bundle, struct error *err)
{
	uint8_t answer[CLEANUP_ANSWER_MAX];
	struct timespec now;

	int r = bundle >= 0 ? cleanup_unmount(bundle, err) : 0;
	if (r < 0)
		return r;
	clock_gettime(CLOCK_REALTIME, &now);
	const size_t n = cleanup_answer((uint64_t)now.tv_sec, (uint32_t)now.tv_nsec, answer);
	return file_write_fd(STDOUT_FILENO, slice_from(answer, n), "standard output", err);
}

int call_delete(const struct call *call, struct error *err)
{
	_cleanup_(settings_clear) struct settings settings = {};
	const char *path = call->arguments.bundle ? call->arguments.bundle : ".";
	_cleanup_close_ int bundle = -1;
	struct decision decision = { .backend = BACKEND_RUNC };
	struct error why;

	load_settings(&settings);
	if (bundle_open(path, &bundle, &why) < 0)
		fprintf(stderr, PROGRAM ": %s\n", why.message);
	const bool is_sandbox = find_decision(call, bundle, &settings, &decision);
	record_remove(settings.records, call->arguments.id);
	if (decision.backend == BACKEND_VM) {
		if (is_sandbox)
			call_vm_delete_sandbox(call, bundle, &settings);
		return clean_up(bundle, err);
	}
	if (follow_find_shim(call, &settings, &decision, &why) == 0)
		return follow_run(call, &decision, err);
	fprintf(stderr, PROGRAM ": cleaning up without a shim: %s\n", why.message);
	return clean_up(bundle, err);
}
