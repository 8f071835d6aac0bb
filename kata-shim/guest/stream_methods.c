// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <unistd.h>

#include "common/base/array.h"
#include "kata-shim/guest/container.h"
#include "kata-shim/guest/forward.h"

static int find(void *agent, const char *id, const char *exec_id, struct process **ret, struct error *err)
{
	int r = container_find_process(((struct agent *)agent)->containers, id, exec_id, ret, err);

	if (r < 0 || (*ret)->state != PROCESS_MADE)
		return r;
	return error_set(err, ESTALE, "container %s: process %s is still being made", id, exec_id);
}

/* A connection has no container, and no stderr. */
static int find_stream(struct agent *agent, const char *id, const char *exec_id, int number, struct stream **ret, struct error *err)
{
	struct process *process;

	if (!*id && *exec_id)
		return forward_find(agent->forwards, exec_id, number, ret, err);
	int r = find(agent, id, exec_id, &process, err);
	if (r == 0)
		*ret = number == STDIN_FILENO ? process->in : number == STDOUT_FILENO ? process->out : process->err;
	return r;
}

static void read_stream(void *agent, struct ttrpc_call *call, struct slice request, int number)
{
	_cleanup_(message_freep) Agent__ReadStreamRequest *message = NULL;
	struct stream *stream;
	struct error err;

	int r = message_read(&agent__read_stream_request__descriptor, request, &message, &err);
	if (r == 0)
		r = find_stream(agent, message->container_id, message->exec_id, number, &stream, &err);
	if (r < 0)
		ttrpc_call_fail(call, &err);
	else
		stream_read(stream, call, message->len);
}

static void handle_read_stdout(void *agent, struct ttrpc_call *call, struct slice request)
{
	read_stream(agent, call, request, STDOUT_FILENO);
}

static void handle_read_stderr(void *agent, struct ttrpc_call *call, struct slice request)
{
	read_stream(agent, call, request, STDERR_FILENO);
}

static void handle_write_stdin(void *agent, struct ttrpc_call *call, struct slice request)
{
	_cleanup_(message_freep) Agent__WriteStreamRequest *message = NULL;
	struct stream *stream;
	struct error err;

	int r = message_read(&agent__write_stream_request__descriptor, request, &message, &err);
	if (r == 0)
		r = find_stream(agent, message->container_id, message->exec_id, STDIN_FILENO, &stream, &err);
	if (r < 0)
		ttrpc_call_fail(call, &err);
	else
		stream_write(stream, call, slice_from(message->data.data, message->data.len));
}

/* A terminal has no end of input but what is typed: it stays open, as in any other runtime. */
static int close_stdin(struct agent *agent, const Agent__CloseStdinRequest *message, struct error *err)
{
	struct process *process = NULL;
	struct stream *stream;

	int r = find_stream(agent, message->container_id, message->exec_id, STDIN_FILENO, &stream, err);
	if (r == 0 && *message->container_id)
		r = find(agent, message->container_id, message->exec_id, &process, err);
	if (r == 0 && !(process && process->terminal))
		stream_close(stream);
	return r;
}

static void handle_close_stdin(void *agent, struct ttrpc_call *call, struct slice request)
{
	_cleanup_(message_freep) Agent__CloseStdinRequest *message = NULL;
	struct error err;

	int r = message_read(&agent__close_stdin_request__descriptor, request, &message, &err);
	if (r == 0)
		r = close_stdin(agent, message, &err);
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
