// SPDX-License-Identifier: Apache-2.0
/*
 *	ReadStdout ─► answer ─► write ─► ReadStdout …
 *	                         └ the fifo is full: poll ┘
 *
 * The next bytes are asked for only when the last ones are in the fifo, so that a slow reader holds the process up and nothing here grows.
 *
 * The fifo is opened for reading and writing. So opening it waits for nobody, there is no EPIPE while containerd is away, and what is in it
 * stays until containerd is back. For the same reason it is not closed at the end of the output but when it is empty: with its last end a
 * fifo loses what is in it. Nobody is told of a fifo that becomes empty, hence the timer; an attentive reader costs two rounds of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>

#include "kata-shim/vm/agent/stream.h"

#define WAIT_FIRST_MS 1
#define WAIT_LONGEST_MS 100
#define LINGER_MS (60 * 1000) /* a containerd that is restarted is back by then */

static void read_more(struct output *output);

static void close_fifo(struct output *output)
{
	if (output->fd < 0)
		return;
	stream_close_handle(output->of, (uv_handle_t *)&output->poll);
	close(TAKE_FD(output->fd));
}

/* ── Carrying ── */

/* True: all of it is in the fifo, or the fifo is broken, which is as if there were none. */
static bool write_out(struct output *output, struct slice *bytes)
{
	while (bytes->n > 0) {
		ssize_t n = write(output->fd, bytes->p, bytes->n);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return false;
		if (n < 0) {
			close_fifo(output);
			return true;
		}
		*bytes = slice_from(bytes->p + n, bytes->n - (size_t)n);
	}
	return true;
}

static void on_room(uv_poll_t *poll, int status, int events)
{
	struct output *output = poll->data;
	struct slice rest = buf_view(&output->rest);
	size_t n = rest.n;

	bool done = write_out(output, &rest);
	buf_consume(&output->rest, n - rest.n);
	if (!done)
		return;
	if (output->fd >= 0)
		uv_poll_stop(poll);
	buf_free(&output->rest);
	output->rest = BUF_MAX(AGENT_READ_MAX);
	if (output->ended)
		output_end(output);
	else
		read_more(output);
}

static void on_read(struct agent_call *call, const struct error *err, const void *answer)
{
	struct output *output = call->context;
	const Agent__ReadStreamResponse *read = answer;

	if (err || read->data.len == 0) {
		output->drained(output);
		return;
	}
	struct slice bytes = slice_from(read->data.data, read->data.len);
	if (output->fd < 0 || write_out(output, &bytes)) {
		read_more(output);
		return;
	}
	buf_slice(&output->rest, bytes);
	if (output->rest.failed || uv_poll_start(&output->poll, UV_WRITABLE, on_room) < 0) {
		buf_free(&output->rest); /* out of memory: what was read is lost, and what comes is not */
		output->rest = BUF_MAX(AGENT_READ_MAX);
		read_more(output);
	}
}

static void read_more(struct output *output)
{
	Agent__ReadStreamRequest request = AGENT__READ_STREAM_REQUEST__INIT;

	request.container_id = (char *)output->of->container;
	request.exec_id = (char *)output->of->exec;
	request.len = AGENT_READ_MAX;
	agent_call(output->of->agent, &output->call, output->method, &request, on_read);
}

void output_start(struct output *output, void (*drained)(struct output *output))
{
	output->drained = drained;
	read_more(output);
}

/* ── Its end ── */

static bool is_empty(int fifo)
{
	int n;

	return ioctl(fifo, FIONREAD, &n) < 0 || n == 0;
}

static void on_time(uv_timer_t *timer)
{
	struct output *output = timer->data;

	output->waited_ms += output->waits_ms;
	if (output->waits_ms < WAIT_LONGEST_MS)
		output->waits_ms *= 2;
	output_end(output);
}

void output_end(struct output *output)
{
	agent_cancel(&output->call);
	output->ended = true;
	if (output->fd < 0 || output->rest.n > 0)
		return;
	if (is_empty(output->fd) || output->waited_ms >= LINGER_MS)
		close_fifo(output);
	else
		uv_timer_start(&output->timer, on_time, output->waits_ms, 0);
}

/* ── Its life ── */

int output_open(struct output *output, struct stream_of *of, enum agent_method method, const char *path, struct error *err)
{
	_cleanup_close_ int fd = -1;

	*output = (struct output){ of, -1, method, .rest = BUF_MAX(AGENT_READ_MAX), .waits_ms = WAIT_FIRST_MS };
	output->call.context = output->poll.data = output->timer.data = output;
	if (!path || !*path)
		return 0;
	int r = stream_open_fifo(path, O_RDWR, &fd, err);
	if (r < 0)
		return r;
	r = uv_poll_init(of->loop, &output->poll, fd);
	if (r < 0)
		return error_set(err, -r, "cannot watch %s: %s", path, uv_strerror(r));
	uv_timer_init(of->loop, &output->timer);
	of->n_handles += 2;
	output->has_timer = true;
	output->fd = TAKE_FD(fd);
	return 0;
}

void output_close(struct output *output)
{
	agent_cancel(&output->call);
	close_fifo(output);
	if (output->has_timer)
		stream_close_handle(output->of, (uv_handle_t *)&output->timer);
	output->has_timer = false;
	buf_free(&output->rest);
}
