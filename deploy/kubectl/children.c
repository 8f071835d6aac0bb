// SPDX-License-Identifier: Apache-2.0
/*
 * A slot has one child at a time. The child is over when the process has ended and both of its outputs have: what a program says last is
 * not lost. When its time is over it is killed, and its outputs are not waited for: a grandchild may hold them.
 */
#include "deploy/kubectl/children.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "common/base/array.h"

#define ROOM_BYTES (64 * 1024)

struct run;

struct slot {
	struct run *run;
	struct child *child;
	uv_process_t process;
	uv_pipe_t input, out, errors;
	uv_timer_t timer;
	uv_write_t write;
	unsigned handles; /* that are not closed yet */
	bool exited, killed;
	char room[ROOM_BYTES];
};

struct run {
	uv_loop_t loop;
	struct child *children;
	size_t n, next;
	uint64_t timeout_ms;
};

void child_clear(struct child *child)
{
	words_clear(&child->words);
	buf_free(&child->out);
	buf_free(&child->errors);
}

static void start_next(struct slot *slot);

static void on_close(uv_handle_t *handle)
{
	struct slot *slot = handle->data;

	if (--slot->handles == 0)
		start_next(slot);
}

static void close_handle(void *handle)
{
	if (!uv_is_closing(handle))
		uv_close(handle, on_close);
}

static void close_all(struct slot *slot)
{
	close_handle(&slot->process);
	close_handle(&slot->input);
	close_handle(&slot->out);
	close_handle(&slot->errors);
	close_handle(&slot->timer);
}

static void end_if_over(struct slot *slot)
{
	if (slot->exited && uv_is_closing((uv_handle_t *)&slot->out) && uv_is_closing((uv_handle_t *)&slot->errors))
		close_all(slot);
}

static void kill_child(struct slot *slot, enum child_end end)
{
	if (slot->exited || slot->killed) {
		close_all(slot);
		return;
	}
	slot->killed = true;
	slot->child->end = end;
	uv_process_kill(&slot->process, SIGKILL);
	close_handle(&slot->input);
	close_handle(&slot->out);
	close_handle(&slot->errors);
}

static void on_exit_of_child(uv_process_t *process, int64_t status, int sig)
{
	struct slot *slot = process->data;

	slot->exited = true;
	if (!slot->killed) {
		slot->child->end = CHILD_EXITED;
		slot->child->exit_code = sig ? 128 + sig : (int)status;
	}
	end_if_over(slot);
}

static void on_time_over(uv_timer_t *timer)
{
	kill_child(timer->data, CHILD_TIMED_OUT);
}

static void give_room(uv_handle_t *handle, size_t wanted, uv_buf_t *ret)
{
	struct slot *slot = handle->data;

	*ret = uv_buf_init(slot->room, sizeof(slot->room));
}

static void hand_out_lines(struct child *child)
{
	for (char *end; child->out.n > 0 && (end = memchr(child->out.p, '\n', child->out.n));) {
		size_t n = (size_t)(end - (char *)child->out.p) + 1;

		*end = 0;
		child->on_line(child, (const char *)child->out.p);
		buf_consume(&child->out, n);
	}
}

static void on_output(uv_stream_t *stream, ssize_t n, const uv_buf_t *room)
{
	struct slot *slot = stream->data;
	struct child *child = slot->child;
	bool is_error = stream == (uv_stream_t *)&slot->errors;

	if (n < 0) {
		close_handle(stream);
		end_if_over(slot);
		return;
	}
	buf_append(is_error ? &child->errors : &child->out, room->base, (size_t)n);
	if (!is_error && child->on_line)
		hand_out_lines(child);
	if (!is_error && child->out.failed)
		kill_child(slot, CHILD_SAID_TOO_MUCH);
}

/* What a child does not read is its own business. */
static void on_input_written(uv_write_t *write, int status)
{
	struct slot *slot = write->data;

	close_handle(&slot->input);
}

static int spawn(struct slot *slot)
{
	struct child *child = slot->child;
	uv_stdio_container_t stdio[3] = {
		{ .flags = child->input.n ? UV_CREATE_PIPE | UV_READABLE_PIPE : UV_IGNORE, .data.stream = (uv_stream_t *)&slot->input },
		{ .flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&slot->out },
		{ .flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&slot->errors },
	};
	const uv_process_options_t options = {
		.file = child->words.items[0],
		.args = (char **)child->words.items,
		.exit_cb = on_exit_of_child,
		.stdio = stdio,
		.stdio_count = 3,
	};

	return uv_spawn(&slot->run->loop, &slot->process, &options);
}

static void init_handles(struct slot *slot)
{
	uv_loop_t *loop = &slot->run->loop;

	slot->process = (uv_process_t){ .data = slot };
	uv_pipe_init(loop, &slot->input, 0);
	uv_pipe_init(loop, &slot->out, 0);
	uv_pipe_init(loop, &slot->errors, 0);
	uv_timer_init(loop, &slot->timer);
	slot->input.data = slot->out.data = slot->errors.data = slot->timer.data = slot->write.data = slot;
	slot->handles = 5;
	slot->exited = slot->killed = false;
}

static void feed(struct slot *slot)
{
	struct child *child = slot->child;
	uv_buf_t buf = uv_buf_init((char *)child->input.p, (unsigned)child->input.n);

	if (!child->input.n || uv_write(&slot->write, (uv_stream_t *)&slot->input, &buf, 1, on_input_written) < 0)
		close_handle(&slot->input);
}

static void start(struct slot *slot)
{
	init_handles(slot);
	int r = spawn(slot);
	slot->process.data = slot;
	if (r < 0) {
		slot->child->end = CHILD_NOT_STARTED;
		slot->child->start_error = -r;
		close_all(slot);
		return;
	}
	feed(slot);
	uv_read_start((uv_stream_t *)&slot->out, give_room, on_output);
	uv_read_start((uv_stream_t *)&slot->errors, give_room, on_output);
	if (slot->run->timeout_ms)
		uv_timer_start(&slot->timer, on_time_over, slot->run->timeout_ms, 0);
}

static void start_next(struct slot *slot)
{
	struct run *run = slot->run;

	if (run->next == run->n)
		return;
	slot->child = &run->children[run->next++];
	start(slot);
}

int children_run(struct child *children, size_t n, uint64_t timeout_ms, struct error *err)
{
	struct run run = { .children = children, .n = n, .timeout_ms = timeout_ms };
	size_t n_slots = n < CHILDREN_PARALLEL ? n : CHILDREN_PARALLEL;
	_cleanup_free_ struct slot *slots = calloc(n_slots ? n_slots : 1, sizeof(*slots));

	for (size_t i = 0; i < n; i++) {
		int r = words_check(&children[i].words, err);
		if (r < 0)
			return r;
	}
	if (!slots)
		return error_nomem(err);
	int r = uv_loop_init(&run.loop);
	if (r < 0)
		return error_errno(err, -r, "cannot run other programs");
	for (size_t i = 0; i < n_slots; i++) {
		slots[i].run = &run;
		start_next(&slots[i]);
	}
	uv_run(&run.loop, UV_RUN_DEFAULT);
	uv_loop_close(&run.loop);
	return 0;
}
