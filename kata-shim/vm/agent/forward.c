// SPDX-License-Identifier: Apache-2.0
/*
 *	accept ─► Connect ─┬► readable ─► WriteStdin ─► answer ─► readable …   end of file: CloseStdin
 *	                   └► ReadStdout ─► answer ─► write ─► ReadStdout …    empty answer: shutdown
 *	both directions are over, or something fails ─► Disconnect
 *
 * Nothing is asked for before what came last is gone, so each direction has one piece at most. A connection is watched for its end also
 * while it is to wait; libuv tells of an error only who watches something, so that it is something that never comes.
 */
#include "kata-shim/vm/agent/forward.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/cleanup.h"
#include "common/base/log.h"

#define PIECE_MAX (16 * 1024)

/* CONNECTING ─→ OPEN ─→ ENDING, and there from CONNECTING. */
enum forward_state { CONNECTING, OPEN, ENDING };

struct forward {
	struct forwards *all;
	struct forward *next;
	enum forward_state state;
	char name[12]; /* in the guest */
	int fd;
	uv_poll_t poll;
	struct agent_call call;           /* Connect, Disconnect */
	struct agent_call input, output;  /* of the guest's server */
	struct buf unsent, rest;          /* that the guest, the peer has not taken */
	bool input_ended, output_ended;
	unsigned pending; /* of one that is ending: its handle, Disconnect */
};

struct forwards {
	uv_loop_t *loop;
	struct agent *agent;
	int listener, steering; /* -1: nobody listens any more */
	uv_poll_t accepts;
	unsigned n_handles;
	struct forward *first;
	size_t n;
	uint32_t names;
	bool closing;
};

/* ── The end of one ── */

static void free_if_done(struct forwards *all)
{
	if (all->closing && all->n == 0 && all->n_handles == 0)
		free(all);
}

static void drop_pending(struct forward *forward)
{
	struct forwards *all = forward->all;
	struct forward **at = &all->first;

	if (--forward->pending > 0)
		return;
	while (*at != forward)
		at = &(*at)->next;
	*at = forward->next;
	buf_free(&forward->unsent);
	buf_free(&forward->rest);
	free(forward);
	all->n--;
	free_if_done(all);
}

static void on_handle_closed(uv_handle_t *handle)
{
	drop_pending(handle->data);
}

static void on_disconnected(struct agent_call *call, const struct error *err, const void *answer)
{
	drop_pending(call->context);
}

static void reset(int fd)
{
	const struct linger at_once = { .l_onoff = 1 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(fd);
}

static void disconnect(struct forward *forward)
{
	Agent__ConnectRequest request = AGENT__CONNECT_REQUEST__INIT;

	request.name = forward->name;
	forward->pending++;
	agent_call(forward->all->agent, &forward->call, AGENT_DISCONNECT, &request, on_disconnected);
}

/* The guest has it, or may have: it counts until that has been told. `whole`: nothing is lost. */
static void end(struct forward *forward, bool whole)
{
	if (forward->state == ENDING)
		return;
	forward->state = ENDING;
	agent_cancel(&forward->call);
	agent_cancel(&forward->input);
	agent_cancel(&forward->output);
	forward->pending++;
	uv_close((uv_handle_t *)&forward->poll, on_handle_closed);
	if (whole)
		close(forward->fd);
	else
		reset(forward->fd);
	if (!forward->all->closing)
		disconnect(forward);
}

static void end_if_over(struct forward *forward)
{
	if (forward->input_ended && !forward->input.agent && forward->output_ended)
		end(forward, true);
}

/* ── Watching ── */

static void on_event(uv_poll_t *poll, int status, int events);

static void watch(struct forward *forward)
{
	int events = UV_PRIORITIZED;

	if (forward->state == ENDING)
		return;
	if (forward->state == OPEN && !forward->input_ended && forward->unsent.n == 0)
		events |= UV_READABLE;
	if (forward->rest.n > 0)
		events |= UV_WRITABLE;
	if (uv_poll_start(&forward->poll, events, on_event) < 0)
		end(forward, false);
}

static void empty(struct buf *buf, size_t maximum)
{
	buf_free(buf);
	*buf = BUF_MAX(maximum);
}

/* ── To the guest ── */

static void write_in(struct forward *forward);

/* A server that takes nothing more may still have something to say. */
static void on_written(struct agent_call *call, const struct error *err, const void *answer)
{
	struct forward *forward = call->context;
	const Agent__WriteStreamResponse *written = answer;

	forward->input_ended = err || written->len == 0;
	if (!forward->input_ended)
		buf_consume(&forward->unsent, written->len);
	if (!forward->input_ended && forward->unsent.n > 0) {
		write_in(forward);
		return;
	}
	empty(&forward->unsent, PIECE_MAX);
	watch(forward);
	end_if_over(forward);
}

static void write_in(struct forward *forward)
{
	Agent__WriteStreamRequest request = AGENT__WRITE_STREAM_REQUEST__INIT;

	request.exec_id = forward->name;
	request.data.data = forward->unsent.p;
	request.data.len = forward->unsent.n;
	agent_call(forward->all->agent, &forward->input, AGENT_WRITE_STDIN, &request, on_written);
}

static void on_end_told(struct agent_call *call, const struct error *err, const void *answer)
{
	end_if_over(call->context);
}

static void tell_end(struct forward *forward)
{
	Agent__CloseStdinRequest request = AGENT__CLOSE_STDIN_REQUEST__INIT;

	forward->input_ended = true;
	request.exec_id = forward->name;
	agent_call(forward->all->agent, &forward->input, AGENT_CLOSE_STDIN, &request, on_end_told);
}

static void take_input(struct forward *forward)
{
	uint8_t *room = buf_reserve(&forward->unsent, PIECE_MAX);
	ssize_t n = room ? read(forward->fd, room, PIECE_MAX) : -1;

	if (n < 0 && room && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) {
		end(forward, false);
		return;
	}
	if (n > 0) {
		buf_commit(&forward->unsent, (size_t)n);
		write_in(forward);
	} else {
		tell_end(forward);
	}
	watch(forward);
}

/* ── From the guest ── */

static void read_more(struct forward *forward);

/* 1: all of it; 0: the peer has to read first; its end: -errno. */
static int write_out(int fd, struct slice *bytes)
{
	while (bytes->n > 0) {
		ssize_t n = write(fd, bytes->p, bytes->n);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		*bytes = slice_from(bytes->p + n, bytes->n - (size_t)n);
	}
	return 1;
}

static void on_room(struct forward *forward)
{
	struct slice rest = buf_view(&forward->rest);
	const size_t n = rest.n;
	int r = write_out(forward->fd, &rest);

	if (r < 0) {
		end(forward, false);
		return;
	}
	buf_consume(&forward->rest, n - rest.n);
	if (r == 0)
		return;
	empty(&forward->rest, AGENT_READ_MAX);
	watch(forward);
	read_more(forward);
}

static void take_output(struct forward *forward, struct slice bytes)
{
	int r = write_out(forward->fd, &bytes);

	if (r == 1) {
		read_more(forward);
		return;
	}
	if (r == 0)
		buf_slice(&forward->rest, bytes);
	if (r < 0 || forward->rest.failed)
		end(forward, false);
	else
		watch(forward);
}

static void on_read(struct agent_call *call, const struct error *err, const void *answer)
{
	struct forward *forward = call->context;
	const Agent__ReadStreamResponse *read = answer;

	if (err) {
		end(forward, false);
	} else if (read->data.len > 0) {
		take_output(forward, slice_from(read->data.data, read->data.len));
	} else {
		shutdown(forward->fd, SHUT_WR);
		forward->output_ended = true;
		end_if_over(forward);
	}
}

static void read_more(struct forward *forward)
{
	Agent__ReadStreamRequest request = AGENT__READ_STREAM_REQUEST__INIT;

	request.exec_id = forward->name;
	request.len = PIECE_MAX;
	agent_call(forward->all->agent, &forward->output, AGENT_READ_STDOUT, &request, on_read);
}

/* An error without anything to read or write is told by its status, or by what never comes. */
static void on_event(uv_poll_t *poll, int status, int events)
{
	struct forward *forward = poll->data;

	if (status < 0 || !(events & (UV_READABLE | UV_WRITABLE))) {
		end(forward, false);
		return;
	}
	if (events & UV_WRITABLE)
		on_room(forward);
	if ((events & UV_READABLE) && forward->state == OPEN)
		take_input(forward);
}

/* ── The beginning of one ── */

static void on_listener_closed(uv_handle_t *handle)
{
	struct forwards *all = handle->data;

	all->n_handles--;
	free_if_done(all);
}

static void stop_listening(struct forwards *all)
{
	if (all->listener < 0)
		return;
	uv_close((uv_handle_t *)&all->accepts, on_listener_closed);
	close(TAKE_FD(all->listener));
	close(TAKE_FD(all->steering));
}

static void give_up(struct forwards *all, const char *why)
{
	log_warn("kubectl port-forward does not reach this pod", "error", why);
	stop_listening(all);
}

static void on_connected(struct agent_call *call, const struct error *err, const void *answer)
{
	struct forward *forward = call->context;

	if (err && err->code == ENOSYS)
		give_up(forward->all, "the agent in its guest cannot connect to the pod's ports, as Kata's");
	if (err) {
		log_debug("a forwarded connection has come to nothing", "error", err->message);
		end(forward, false);
		return;
	}
	forward->state = OPEN;
	watch(forward);
	if (forward->state == OPEN)
		read_more(forward);
}

static void ask_for(struct forward *forward, uint16_t port)
{
	Agent__ConnectRequest request = AGENT__CONNECT_REQUEST__INIT;

	request.name = forward->name;
	request.port = port;
	agent_call(forward->all->agent, &forward->call, AGENT_CONNECT, &request, on_connected);
	watch(forward);
}

static struct forward *add(struct forwards *all, int fd)
{
	struct forward *forward = calloc(1, sizeof(*forward));

	if (!forward || uv_poll_init(all->loop, &forward->poll, fd) < 0) {
		free(forward);
		return NULL;
	}
	forward->all = all;
	forward->fd = fd;
	forward->unsent = BUF_MAX(PIECE_MAX);
	forward->rest = BUF_MAX(AGENT_READ_MAX);
	forward->poll.data = forward->call.context = forward->input.context = forward->output.context = forward;
	snprintf(forward->name, sizeof(forward->name), "%u", all->names++);
	forward->next = all->first;
	all->first = forward;
	all->n++;
	return forward;
}

/* The port that the peer meant is the connection's own: nothing translated it. */
static void on_accept(uv_poll_t *poll, int status, int events)
{
	struct forwards *all = poll->data;
	struct sockaddr_in meant = {};
	socklen_t n = sizeof(meant);
	int fd = accept4(all->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0 && (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED))
		return;
	if (fd < 0) {
		give_up(all, strerror(errno));
		return;
	}
	struct forward *forward = all->n < FORWARDS_MAX && getsockname(fd, (struct sockaddr *)&meant, &n) == 0 ? add(all, fd) : NULL;
	if (forward)
		ask_for(forward, ntohs(meant.sin_port));
	else
		reset(fd);
}

/* ── Their life ── */

int forwards_open(uv_loop_t *loop, struct agent *agent, int listener, int steering, struct forwards **ret, struct error *err)
{
	_cleanup_close_ int listens = listener, steers = steering;
	struct forwards *all = calloc(1, sizeof(*all));

	if (!all)
		return error_nomem(err);
	*all = (struct forwards){ .loop = loop, .agent = agent };
	int r = uv_poll_init(loop, &all->accepts, listens);
	if (r < 0) {
		free(all);
		return error_set(err, -r, "cannot watch the listener: %s", uv_strerror(r));
	}
	all->n_handles = 1;
	all->accepts.data = all;
	all->listener = TAKE_FD(listens);
	all->steering = TAKE_FD(steers);
	r = uv_poll_start(&all->accepts, UV_READABLE, on_accept);
	if (r < 0) {
		forwards_close(all);
		return error_set(err, -r, "cannot watch the listener: %s", uv_strerror(r));
	}
	*ret = all;
	return 0;
}

void forwards_close(struct forwards *all)
{
	struct forward *next;

	if (!all)
		return;
	all->closing = true;
	stop_listening(all);
	for (struct forward *forward = all->first; forward; forward = next) {
		next = forward->next;
		if (forward->state != ENDING) {
			end(forward, false);
		} else if (forward->call.agent) {
			agent_cancel(&forward->call);
			drop_pending(forward);
		}
	}
}
