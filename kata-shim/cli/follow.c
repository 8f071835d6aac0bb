// SPDX-License-Identifier: Apache-2.0
#include "kata-shim/cli/call.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kata-shim/backend/find.h"
#include "kata-shim/backend/run.h"
#include "kata-shim/bundle/bundle.h"
#include "kata-shim/record/sandbox.h"

#define SHIM_PATH_FILE "shim-binary-path"

static bool ends_with(const char *text, const char *end)
{
	const size_t n = strlen(text), n_end = strlen(end);

	return n >= n_end && strcmp(text + n - n_end, end) == 0;
}

/* containerd writes there whom it has called for the sandbox. */
static int read_foreign_shim(int bundle, struct decision *ret, struct error *err)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(PATH_MAX - 1);

	int r = bundle_read_file(bundle, SHIM_PATH_FILE, false, &text, err);
	if (r < 0)
		return r;
	if (!backend_is_usable(buf_text(&text)))
		return error_set(err, ENOENT, SHIM_PATH_FILE " names no shim but this one");
	*ret = (struct decision){ .backend = ends_with(buf_text(&text), "kata-v2") ? BACKEND_KATA : BACKEND_RUNC };
	snprintf(ret->shim, sizeof(ret->shim), "%s", buf_text(&text));
	snprintf(ret->why, sizeof(ret->why), "started without Holdfast");
	return 0;
}

int follow_sandbox(int bundle, const char *id, const char *directory, struct decision *ret, struct error *err)
{
	_cleanup_close_ int sandbox = -1;
	struct decision decision = {};

	int r = bundle_open_beside(bundle, id, &sandbox, err);
	if (r == 0)
		r = decision_read(sandbox, &decision, err);
	if (r == -ENOENT) {
		r = record_read_backend(directory, id, &decision.backend, err);
		snprintf(decision.why, sizeof(decision.why), "its record");
	}
	if (r == -ENOENT && sandbox >= 0)
		r = read_foreign_shim(sandbox, &decision, err);
	if (r == 0)
		*ret = decision;
	return r;
}

int follow_find_shim(const struct call *call, const struct settings *settings, struct decision *decision, struct error *err)
{
	const struct find_query query = {
		.backend = decision->backend,
		.configured = decision->backend == BACKEND_KATA ? settings->kata_shim : settings->runc_shim,
		.containerd = call->arguments.containerd,
		.path = getenv("PATH"),
	};

	if (backend_is_usable(decision->shim))
		return 0;
	return backend_find(&query, decision->shim, err);
}

int follow_run(const struct call *call, const struct decision *decision, struct error *err)
{
	const struct run run = { decision->shim, call->words, *decision->kata_config ? decision->kata_config : NULL };

	return run_instead(&run, err);
}
