// SPDX-License-Identifier: Apache-2.0
/*
 *	spawn ─► output until its end, and the exit ─► result
 *	  │ too late
 *	  └► SIGTERM ─► SIGKILL ─► "has not ended within …"
 */
#include "deploy/install/readiness/trial.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/cleanup.h"
#include "common/base/program.h"
#include "deploy/install/readiness/enter.h"

#define OUTPUT_MAX (16 * 1024)
#define ROOM 4096
#define END_PATIENCE_MS 20000 /* a VM is taken down in less */

struct trial {
	enum part part;
	trial_done *done; /* NULL: nobody wants to know any more */
	void *context;
	uv_process_t process;
	uv_pipe_t output;
	uv_timer_t timer;
	unsigned n_handles;
	bool began, exited, ended; /* the process, twice; its output */
	bool late;
	int64_t status;
	int signal;
	char room[ROOM];
	struct buf text;
};

static const char *program_of(const struct trial *trial)
{
	return part_rows[trial->part].program;
}

/* ── What came of it ── */

static struct part_result judge(const struct trial *trial)
{
	struct part_result result;
	struct error err;

	if (trial->late)
		return part_failed("look at what the node is busy with", "%s self-test has not ended within %llu s", program_of(trial),
				   (unsigned long long)part_rows[trial->part].timeout_ms / 1000);
	if (trial->signal)
		return part_failed("run it by hand: holdfast-node self-test", "%s self-test was ended by signal %d", program_of(trial),
				   trial->signal);
	if (trial->status == TRIAL_CANNOT_RUN)
		return part_failed("install it: holdfast-node install", "the node has no %s that can be run in " TRIAL_PROGRAMS_OF_NODE,
				   program_of(trial));
	if (buf_check(&trial->text, "the output", &err) < 0 || part_result_read(buf_view(&trial->text), &result, &err) < 0)
		return part_failed("are all of Holdfast's programs of one version? run it by hand: holdfast-node self-test",
				   "%s self-test ends with %lld and does not say what came of it: %s", program_of(trial),
				   (long long)trial->status, err.message);
	return result;
}

static void on_closed(uv_handle_t *handle)
{
	struct trial *trial = handle->data;

	if (--trial->n_handles > 0)
		return;
	buf_free(&trial->text);
	free(trial);
}

static void close_handles(struct trial *trial)
{
	uv_close((uv_handle_t *)&trial->process, on_closed);
	uv_close((uv_handle_t *)&trial->output, on_closed);
	uv_close((uv_handle_t *)&trial->timer, on_closed);
}

static void finish(struct trial *trial)
{
	if (!trial->exited || (trial->done && !trial->ended))
		return;
	const struct part_result result = judge(trial);
	if (trial->done)
		trial->done(trial->context, trial->part, &result);
	close_handles(trial);
}

static void on_ended(uv_process_t *process, int64_t status, int signal)
{
	struct trial *trial = process->data;

	trial->exited = true;
	trial->status = status;
	trial->signal = signal;
	finish(trial);
}

/* ── Its output ── */

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *ret)
{
	struct trial *trial = handle->data;

	*ret = uv_buf_init(trial->room, sizeof(trial->room));
}

/* What is too much is read nevertheless, or it would never end. */
static void on_output(uv_stream_t *stream, ssize_t n, const uv_buf_t *bytes)
{
	struct trial *trial = stream->data;

	if (n > 0)
		buf_append(&trial->text, bytes->base, (size_t)n);
	if (n >= 0)
		return;
	uv_read_stop(stream);
	trial->ended = true;
	finish(trial);
}

/* ── Its time ── */

static void on_too_late(uv_timer_t *timer)
{
	struct trial *trial = timer->data;

	if (trial->exited) { /* and somebody whom it has left behind has its output */
		trial->ended = true;
		finish(trial);
		return;
	}
	uv_process_kill(&trial->process, trial->late ? SIGKILL : SIGTERM);
	trial->late = true;
	uv_timer_start(timer, on_too_late, END_PATIENCE_MS, 0);
}

void trial_cancel(struct trial *trial)
{
	trial->done = NULL;
	if (trial->began) /* else on_not_spawned is about to come, and there is nobody to be ended */
		uv_timer_start(&trial->timer, on_too_late, 0, 0);
}

/* ── Its beginning ── */

/* Beside this one. */
static void find_programs(char ret[static PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", ret, PATH_MAX - 1);

	ret[n < 0 ? 0 : n] = 0;
	char *slash = strrchr(ret, '/');
	if (slash)
		*slash = 0;
}

size_t trial_enter_words(const char *root, const char *version, const char *words[static TRIAL_WORDS])
{
	size_t n = 0;

	words[n++] = "holdfast-node";
	words[n++] = "in-root";
	if (version) {
		words[n++] = "--version";
		words[n++] = version;
	}
	words[n++] = root ? root : "/";
	return n;
}

static int spawn(struct trial *trial, const struct trial_options *options)
{
	char own[PATH_MAX], program[PATH_MAX + NAME_MAX];
	const char *words[TRIAL_WORDS + 5];
	const bool enters = (options->root || options->version) && trial->part == PART_VM;
	size_t n = 0;

	if (options->programs)
		snprintf(own, sizeof(own), "%s", options->programs);
	else
		find_programs(own);
	snprintf(program, sizeof(program), "%s/%s", enters ? TRIAL_PROGRAMS_OF_NODE : own, program_of(trial));
	if (enters)
		n = trial_enter_words(options->root, options->version, words);
	words[n++] = program;
	words[n++] = "self-test";
	words[n++] = "-o";
	words[n++] = "json";
	words[n] = NULL;
	uv_stdio_container_t stdio[] = {
		{ .flags = UV_IGNORE },
		{ .flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&trial->output },
		{ .flags = UV_INHERIT_FD, .data.fd = STDERR_FILENO },
	};
	const uv_process_options_t what = {
		.exit_cb = on_ended,
		.file = enters ? "/proc/self/exe" : program,
		.args = (char **)words,
		.stdio_count = 3,
		.stdio = stdio,
	};
	return uv_spawn(trial->timer.loop, &trial->process, &what);
}

/* Told from the loop, as every other end. */
static void on_not_spawned(uv_timer_t *timer)
{
	struct trial *trial = timer->data;
	const struct part_result result = part_failed("install it: holdfast-node install", "cannot run %s self-test: %s", program_of(trial),
						      uv_strerror((int)trial->status));

	if (trial->done)
		trial->done(trial->context, trial->part, &result);
	close_handles(trial);
}

struct trial *trial_start(uv_loop_t *loop, enum part part, const struct trial_options *options, trial_done *done, void *context)
{
	struct trial *trial = calloc(1, sizeof(*trial));

	if (!trial)
		return NULL;
	*trial = (struct trial){ .part = part, .done = done, .context = context, .n_handles = 3, .text = BUF_MAX(OUTPUT_MAX) };
	uv_timer_init(loop, &trial->timer);
	uv_pipe_init(loop, &trial->output, 0);
	trial->process.data = trial->output.data = trial->timer.data = trial;
	int r = spawn(trial, options);
	if (r < 0) {
		trial->status = r;
		uv_timer_start(&trial->timer, on_not_spawned, 0, 0);
		return trial;
	}
	trial->began = true;
	uv_read_start((uv_stream_t *)&trial->output, on_alloc, on_output);
	uv_timer_start(&trial->timer, on_too_late, part_rows[part].timeout_ms, 0);
	return trial;
}

int command_in_root(int argc, char **argv)
{
	const bool help = argc == 2 && strcmp(argv[1], "--help") == 0;
	const char *version = argc > 2 && strcmp(argv[1], "--version") == 0 ? argv[2] : NULL;
	char **rest = version ? argv + 3 : argv + 1;
	struct error err;

	if (help || argc - (rest - argv) < 2) {
		fputs("usage: holdfast-node in-root [--version ID] ROOT PROGRAM [ARGUMENT]...\n", help ? stdout : stderr);
		return help ? EXIT_SUCCESS : EXIT_USAGE;
	}
	int code = TRIAL_CANNOT_ENTER;
	int r = enter_root(rest[0], &err);
	if (r == 0 && version)
		r = enter_version(version, &err);
	if (r == 0) {
		execv(rest[1], rest + 1);
		error_errno(&err, errno, "cannot run %s in %s", rest[1], rest[0]);
		code = TRIAL_CANNOT_RUN;
	}
	fprintf(stderr, "holdfast-node: %s\n", err.message);
	return code;
}
