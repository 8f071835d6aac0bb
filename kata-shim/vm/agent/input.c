// SPDX-License-Identifier: Apache-2.0
/*
 *	poll ─► read ─► WriteStdin ─► answer ─► poll …
 *
 * The agent answers when the process has taken the bytes, so a process that does not read holds the writer up. We hold a writer's end
 * ourselves: a containerd that is restarted, or a `kubectl attach` that goes, is not the end of the input. CloseIO is, once nobody else
 * writes. An agent that takes nothing would have us ask for ever, so that is a failure, as all others the end of the input.
 */
#include <errno.h>
#include <fcntl.h>

#include "kata-shim/vm/agent/stream.h"

static void on_readable(uv_poll_t *poll, int status, int events);
static void on_written(struct agent_call *call, const struct error *err, const void *answer);

static void close_fifo(struct input *input)
{
	input_close_keeper(input);
	if (input->fd < 0)
		return;
	stream_close_handle(input->of, (uv_handle_t *)&input->poll);
	close(TAKE_FD(input->fd));
}

/* What the process has not heard of is its end; it may have ended itself, so that nobody minds. */
static void on_end_told(struct agent_call *call, const struct error *err, const void *answer)
{
}

static void tell_end(struct input *input)
{
	Agent__CloseStdinRequest request = AGENT__CLOSE_STDIN_REQUEST__INIT;

	close_fifo(input);
	if (input->terminal)
		return;
	request.container_id = (char *)input->of->container;
	request.exec_id = (char *)input->of->exec;
	agent_call(input->of->agent, &input->call, AGENT_CLOSE_STDIN, &request, on_end_told);
}

static void write_in(struct input *input)
{
	Agent__WriteStreamRequest request = AGENT__WRITE_STREAM_REQUEST__INIT;

	request.container_id = (char *)input->of->container;
	request.exec_id = (char *)input->of->exec;
	request.data.data = input->unsent.p;
	request.data.len = input->unsent.n;
	agent_call(input->of->agent, &input->call, AGENT_WRITE_STDIN, &request, on_written);
}

static void watch(struct input *input)
{
	if (uv_poll_start(&input->poll, UV_READABLE, on_readable) < 0)
		tell_end(input);
}

static void on_written(struct agent_call *call, const struct error *err, const void *answer)
{
	struct input *input = call->context;
	const Agent__WriteStreamResponse *written = answer;

	if (err || written->len == 0) {
		close_fifo(input);
		return;
	}
	buf_consume(&input->unsent, written->len);
	if (input->unsent.n > 0) {
		write_in(input);
		return;
	}
	buf_free(&input->unsent);
	input->unsent = BUF_MAX(AGENT_READ_MAX);
	watch(input);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct input *input = poll->data;
	uint8_t *room = buf_reserve(&input->unsent, AGENT_READ_MAX);
	ssize_t n = room ? read(input->fd, room, AGENT_READ_MAX) : -1;

	if (n < 0 && room && (errno == EAGAIN || errno == EINTR))
		return;
	uv_poll_stop(poll);
	if (n <= 0) {
		tell_end(input);
		return;
	}
	buf_commit(&input->unsent, (size_t)n);
	write_in(input);
}

void input_start(struct input *input, bool terminal)
{
	input->terminal = terminal;
	if (input->fd < 0)
		tell_end(input);
	else
		watch(input);
}

void input_close_keeper(struct input *input)
{
	if (input->keeper >= 0)
		close(TAKE_FD(input->keeper));
}

int input_open(struct input *input, struct stream_of *of, const char *path, struct error *err)
{
	_cleanup_close_ int fd = -1, keeper = -1;

	*input = (struct input){ of, -1, -1, .unsent = BUF_MAX(AGENT_READ_MAX) };
	input->call.context = input->poll.data = input;
	if (!path || !*path)
		return 0;
	int r = stream_open_fifo(path, O_RDONLY, &fd, err);
	if (r == 0)
		r = stream_open_fifo(path, O_WRONLY, &keeper, err); /* not before there is a reader */
	if (r < 0)
		return r;
	r = uv_poll_init(of->loop, &input->poll, fd);
	if (r < 0)
		return error_set(err, -r, "cannot watch %s: %s", path, uv_strerror(r));
	of->n_handles++;
	input->fd = TAKE_FD(fd);
	input->keeper = TAKE_FD(keeper);
	return 0;
}

void input_close(struct input *input)
{
	agent_cancel(&input->call);
	close_fifo(input);
	buf_free(&input->unsent);
}
