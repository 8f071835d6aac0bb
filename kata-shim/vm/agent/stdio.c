// SPDX-License-Identifier: Apache-2.0
#include "kata-shim/vm/agent/stdio.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "kata-shim/vm/agent/stream.h"

struct stdio {
	struct stream_of of; /* the first */
	struct output out, err;
	struct input in;
	bool terminal, closing;
	unsigned n_open; /* outputs that are not over */
	void (*drained)(void *context);
	void *context;
};

/* ── Handles and fifos ── */

static void on_handle_closed(uv_handle_t *handle)
{
	struct output *stream = handle->data; /* or struct input: `of` is the first of both */

	stream->of->n_handles--;
	stream->of->handle_closed(stream->of);
}

void stream_close_handle(struct stream_of *of, uv_handle_t *handle)
{
	uv_close(handle, on_handle_closed);
}

int stream_open_fifo(const char *path, int mode, int *ret, struct error *err)
{
	_cleanup_close_ int fd = open(path, mode | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;

	if (fd < 0)
		return error_errno(err, errno, "cannot open the fifo %s", path);
	if (fstat(fd, &st) < 0)
		return error_errno(err, errno, "cannot look at %s", path);
	if (!S_ISFIFO(st.st_mode))
		return error_set(err, EINVAL, "%s is no fifo", path);
	*ret = TAKE_FD(fd);
	return 0;
}

/* ── Its life ── */

static void free_if_done(struct stream_of *of)
{
	struct stdio *stdio = (struct stdio *)of;

	if (stdio->closing && of->n_handles == 0)
		free(stdio);
}

/* With a terminal there is one output. */
int stdio_open(uv_loop_t *loop, const struct vm_stdio *paths, struct stdio **ret, struct error *err)
{
	struct stdio *stdio = calloc(1, sizeof(*stdio));

	if (!stdio)
		return error_nomem(err);
	stdio->of = (struct stream_of){ .loop = loop, .handle_closed = free_if_done };
	stdio->terminal = paths->terminal;
	stdio->in.fd = stdio->in.keeper = stdio->err.fd = -1;
	stdio->err.of = stdio->in.of = &stdio->of;
	int r = output_open(&stdio->out, &stdio->of, AGENT_READ_STDOUT, paths->out, err);
	if (r == 0)
		r = output_open(&stdio->err, &stdio->of, AGENT_READ_STDERR, paths->terminal ? NULL : paths->err, err);
	if (r == 0)
		r = input_open(&stdio->in, &stdio->of, paths->in, err);
	if (r < 0)
		stdio_close(stdio);
	else
		*ret = stdio;
	return r;
}

void stdio_close(struct stdio *stdio)
{
	if (!stdio)
		return;
	output_close(&stdio->out);
	output_close(&stdio->err);
	input_close(&stdio->in);
	stdio->closing = true;
	free_if_done(&stdio->of);
}

/* ── Carrying ── */

static void on_drained(struct output *output)
{
	struct stdio *stdio = (struct stdio *)output->of;

	if (--stdio->n_open == 0)
		stdio->drained(stdio->context);
}

void stdio_start(struct stdio *stdio, struct agent *agent, const char *container, const char *exec, void (*drained)(void *context),
		 void *context)
{
	stdio->of.agent = agent;
	stdio->of.container = container;
	stdio->of.exec = exec;
	stdio->drained = drained;
	stdio->context = context;
	stdio->n_open = stdio->terminal ? 1 : 2;
	output_start(&stdio->out, on_drained);
	if (!stdio->terminal)
		output_start(&stdio->err, on_drained);
	input_start(&stdio->in, stdio->terminal);
}

bool stdio_is_terminal(const struct stdio *stdio)
{
	return stdio->terminal;
}

bool stdio_waits_for_reader(const struct stdio *stdio)
{
	return stdio->out.rest.n > 0 || stdio->err.rest.n > 0;
}

void stdio_close_input(struct stdio *stdio)
{
	input_close_keeper(&stdio->in);
}

void stdio_end(struct stdio *stdio)
{
	input_close(&stdio->in);
	output_end(&stdio->out);
	output_end(&stdio->err);
}
