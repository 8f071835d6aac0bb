// SPDX-License-Identifier: Apache-2.0
#include "deploy/install/readiness/prove.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>
#include <uv.h>

#include "common/base/array.h"
#include "deploy/install/readiness/kept.h"
#include "deploy/install/readiness/trial.h"

#define START_PATIENCE_MS 20000

/* What pods and containerd run. The CNI plugin knows no --version, and says so, which is a start. */
static const char *const programs[] = { "holdfast", "holdfast-net", "holdfast-tpm", "containerd-shim-holdfast-v2" };

/* ── A program starts ── */

struct start {
	uv_process_t process;
	uv_timer_t timer;
	int64_t status;
	int signal;
};

static void on_ended(uv_process_t *process, int64_t status, int signal)
{
	struct start *start = process->data;

	start->status = status;
	start->signal = signal;
	uv_close((uv_handle_t *)process, NULL);
	uv_close((uv_handle_t *)&start->timer, NULL);
}

static void on_too_late(uv_timer_t *timer)
{
	struct start *start = timer->data;

	uv_process_kill(&start->process, SIGKILL);
}

static int spawn(uv_loop_t *loop, struct start *start, const char *root, const char *id, const char *program)
{
	const char *words[TRIAL_WORDS + 3];
	size_t n = trial_enter_words(*root ? root : NULL, id, words);
	uv_stdio_container_t stdio[] = {
		{ .flags = UV_IGNORE },
		{ .flags = UV_IGNORE },
		{ .flags = UV_INHERIT_FD, .data.fd = STDERR_FILENO },
	};

	words[n++] = program;
	words[n++] = "--version";
	words[n] = NULL;
	const uv_process_options_t what = {
		.exit_cb = on_ended, .file = "/proc/self/exe", .args = (char **)words, .stdio_count = 3, .stdio = stdio
	};
	return uv_spawn(loop, &start->process, &what);
}

static int expect_start(uv_loop_t *loop, const char *root, const char *id, const char *name, struct error *err)
{
	char program[PATH_MAX];
	struct start start = { 0 };

	snprintf(program, sizeof(program), TRIAL_PROGRAMS_OF_NODE "/%s", name);
	start.process.data = start.timer.data = &start;
	uv_timer_init(loop, &start.timer);
	int r = spawn(loop, &start, root, id, program);
	if (r < 0) {
		uv_close((uv_handle_t *)&start.process, NULL);
		uv_close((uv_handle_t *)&start.timer, NULL);
	} else {
		uv_timer_start(&start.timer, on_too_late, START_PATIENCE_MS, 0);
	}
	uv_run(loop, UV_RUN_DEFAULT);
	if (r < 0)
		return error_set(err, ENOTSUP, "cannot try bin/%s: %s", name, uv_strerror(r));
	if (start.signal)
		return error_set(err, ENOEXEC, "its bin/%s is ended by signal %d as it starts", name, start.signal);
	if (start.status == TRIAL_CANNOT_ENTER)
		return error_set(err, ENOTSUP, "cannot try its programs in %s; why not stands before this", *root ? root : "/");
	if (start.status == TRIAL_CANNOT_RUN)
		return error_set(err, ENOEXEC, "its bin/%s does not start; its own words are in this program's log", name);
	return 0;
}

static int expect_starts(uv_loop_t *loop, const struct prove_options *options, const char *id, struct error *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < ELEMENTS_OF(programs); i++) {
		char path[PATH_MAX];

		snprintf(path, sizeof(path), "%s/versions/%s/bin/%s", options->prefix, id, programs[i]);
		if (access(path, F_OK) == 0)
			r = expect_start(loop, options->root, id, programs[i], err);
	}
	return r;
}

/* ── A VM boots ── */

static void on_tested(void *context, enum part part, const struct part_result *result)
{
	*(struct part_result *)context = *result;
}

static int expect_vm(uv_loop_t *loop, const struct prove_options *options, const char *id, struct error *err)
{
	const struct trial_options trial = { .root = *options->root ? options->root : NULL, .version = id };
	struct part_result result = { 0 };

	if (!kept_read(KEPT_DEFAULT_PATH).passed[PART_VM])
		return 0;
	if (!trial_start(loop, PART_VM, &trial, on_tested, &result))
		return error_nomem(err);
	uv_run(loop, UV_RUN_DEFAULT);
	if (result.state == PART_PASSED)
		return 0;
	return error_set(err, ENOEXEC, "it boots no VM here, as the other does: %s -> %s", result.cause, result.cure);
}

int prove_version(const struct prove_options *options, const char *id, struct error *err)
{
	uv_loop_t loop;

	uv_loop_init(&loop);
	int r = expect_starts(&loop, options, id, err);
	r = r < 0 ? r : expect_vm(&loop, options, id, err);
	uv_loop_close(&loop);
	return r;
}
