// SPDX-License-Identifier: Apache-2.0
#include <errno.h>

#include "common/base/array.h"
#include "kata-shim/guest/container.h"

static int find(void *agent, const char *id, const char *exec_id, struct process **ret, struct error *err)
{
	int r = container_find_process(((struct agent *)agent)->containers, id, exec_id, ret, err);

	if (r < 0 || (*ret)->state != PROCESS_MADE)
		return r;
	return error_set(err, ESTALE, "container %s: process %s is still being made", id, exec_id);
}

static void read_stream(void *agent, struct ttrpc_call *call, struct slice request, bool is_err)
{
	_cleanup_(message_freep) Agent__ReadStreamRequest *message = NULL;
	struct process *process;
	struct error err;

	int r = message_read(&agent__read_stream_request__descriptor, request, &message, &err);
	if (r == 0)
		r = find(agent, message->container_id, message->exec_id, &process, &err);
	if (r < 0)
		ttrpc_call_fail(call, &err);
	else
		stream_read(is_err ? process->err : process->out, call, message->len);
}

static void handle_read_stdout(void *agent, struct ttrpc_call *call, struct slice request)
{
	read_stream(agent, call, request, false);
}

static void handle_read_stderr(void *agent, struct ttrpc_call *call, struct slice request)
{
	read_stream(agent, call, request, true);
}

static void handle_write_stdin(void *agent, struct ttrpc_call *call, struct slice request)
{
	_cleanup_(message_freep) Agent__WriteStreamRequest *message = NULL;
	struct process *process;
	struct error err;

	int r = message_read(&agent__write_stream_request__descriptor, request, &message, &err);
	if (r == 0)
		r = find(agent, message->container_id, message->exec_id, &process, &err);
	if (r < 0)
		ttrpc_call_fail(call, &err);
	else
		stream_write(process->in, call, slice_from(message->data.data, message->data.len));
}

/* A terminal has no end of input but what is typed: it stays open, as in any other runtime. */
static void handle_close_stdin(void *agent, struct ttrpc_call *call, struct slice request)
{
	_cleanup_(message_freep) Agent__CloseStdinRequest *message = NULL;
	struct process *process;
	struct error err;

	int r = message_read(&agent__close_stdin_request__descriptor, request, &message, &err);
	if (r == 0)
		r = find(agent, message->container_id, message->exec_id, &process, &err);
	if (r == 0 && !process->terminal)
		stream_close(process->in);
	agent_answer_empty(call, r, &err);
}

static int resize(const struct process *process, const Agent__TtyWinResizeRequest *message, struct error *err)
{
	if (!process->terminal)
		return error_set(err, ESTALE, "container %s: process %s has no terminal", process->container->id, process->id);
	if (message->row > UINT16_MAX || message->column > UINT16_MAX)
		return error_set(err, EINVAL, "%u rows and %u columns: at most %d", message->row, message->column, UINT16_MAX);
	return stream_resize(process->out, (uint16_t)message->row, (uint16_t)message->column, err);
}

static void handle_resize(void *agent, struct ttrpc_call *call, struct slice request)
{
	_cleanup_(message_freep) Agent__TtyWinResizeRequest *message = NULL;
	struct process *process;
	struct error err;

	int r = message_read(&agent__tty_win_resize_request__descriptor, request, &message, &err);
	if (r == 0)
		r = find(agent, message->container_id, message->exec_id, &process, &err);
	if (r == 0)
		r = resize(process, message, &err);
	agent_answer_empty(call, r, &err);
}

static const struct ttrpc_method rows[] = {
	{ "ReadStdout", handle_read_stdout }, { "ReadStderr", handle_read_stderr }, { "WriteStdin", handle_write_stdin },
	{ "CloseStdin", handle_close_stdin }, { "TtyWinResize", handle_resize },
};
const struct method_rows stream_methods = { rows, ELEMENTS_OF(rows) };
