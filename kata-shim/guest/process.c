// SPDX-License-Identifier: Apache-2.0
#include "kata-shim/guest/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "common/base/cleanup.h"
#include "kata-shim/guest/container.h"

/* ── Pipes, or a terminal ── */

static int make_pipe(int *ret_read, int *ret_write, struct error *err)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_errno(err, errno, "cannot make a pipe");
	*ret_read = ends[0];
	*ret_write = ends[1];
	return 0;
}

static int make_pipes(struct process *process, struct error *err)
{
	int in, out, error;

	int r = make_pipe(&process->ends[0], &in, err);
	if (r == 0)
		r = stream_new(process->agent->loop, in, &process->in, err);
	if (r == 0)
		r = make_pipe(&out, &process->ends[1], err);
	if (r == 0)
		r = stream_new(process->agent->loop, out, &process->out, err);
	if (r == 0)
		r = make_pipe(&error, &process->ends[2], err);
	if (r == 0)
		r = stream_new(process->agent->loop, error, &process->err, err);
	return r;
}

/* The address of the process in the agent's memory is as good a name as any, and no other has it meanwhile. */
struct process_console process_console(const struct process *process)
{
	struct process_console console;

	snprintf(console.path, sizeof(console.path), GUEST_STATE "/console-%lx", (unsigned long)(uintptr_t)process);
	return console;
}

static int make_console(struct process *process, struct error *err)
{
	const struct process_console console = process_console(process);
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", console.path);
	process->console = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (process->console < 0)
		return error_errno(err, errno, "cannot make a socket");
	unlink(console.path);
	if (bind(process->console, (const struct sockaddr *)&address, sizeof(address)) < 0 || listen(process->console, 1) < 0)
		return error_errno(err, errno, "cannot listen on %s", console.path);
	return 0;
}

/* The descriptor that crun has sent, by now. */
static int receive_terminal(int console, int *ret, struct error *err)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	char text[256];
	struct iovec data = { text, sizeof(text) };
	struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
	_cleanup_close_ int peer = accept4(console, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (peer < 0 || recvmsg(peer, &message, MSG_CMSG_CLOEXEC) < 0)
		return error_errno(err, errno, "crun has sent no terminal");
	const struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	if (!header || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS || header->cmsg_len != CMSG_LEN(sizeof(int)))
		return error_set(err, EPROTO, "crun has sent no terminal");
	memcpy(ret, CMSG_DATA(header), sizeof(*ret));
	return 0;
}

/* One descriptor for each direction: libuv watches a descriptor once. */
static int take_terminal(struct process *process, struct error *err)
{
	_cleanup_close_ int terminal = -1;

	int r = receive_terminal(process->console, &terminal, err);
	if (r < 0)
		return r;
	int in = fcntl(terminal, F_DUPFD_CLOEXEC, 3);
	if (in < 0)
		return error_errno(err, errno, "cannot duplicate the terminal");
	r = stream_new(process->agent->loop, in, &process->in, err);
	return r < 0 ? r : stream_new(process->agent->loop, TAKE_FD(terminal), &process->out, err);
}

static void close_ends(struct process *process)
{
	for (int i = 0; i < 3; i++) {
		cleanup_close(&process->ends[i]);
		process->ends[i] = -1;
	}
	if (process->console >= 0) {
		close(process->console);
		unlink(process_console(process).path);
		process->console = -1;
	}
}

const int *process_stdio(const struct process *process)
{
	return process->terminal ? NULL : process->ends;
}

/* ── Its life ── */

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

int process_new(struct agent *agent, struct container *container, const char *id, bool terminal, struct process **ret, struct error *err)
{
	struct process *process = calloc(1, sizeof(*process));
	char *name = strdup(id);

	if (!process || !name) {
		free(process);
		free(name);
		return error_nomem(err);
	}
	*process = (struct process){
		.agent = agent, .container = container, .id = name, .terminal = terminal, .ends = { -1, -1, -1 }, .console = -1
	};
	uv_timer_init(agent->loop, &process->timer);
	process->timer.data = process;
	int r = terminal ? make_console(process, err) : make_pipes(process, err);
	if (r < 0)
		process_free(process);
	else
		*ret = process;
	return r;
}

static void answer_status(struct ttrpc_call *call, int status)
{
	Agent__WaitProcessResponse answer = AGENT__WAIT_PROCESS_RESPONSE__INIT;

	answer.status = status;
	agent_answer(call, &answer.base);
}

static void tell_waiters(struct process *process)
{
	process->waited = process->waited || process->n_waiters > 0;
	while (process->n_waiters > 0)
		answer_status(process->waiters[--process->n_waiters], process->status);
}

/* Who waited while it ran may read what is left until now. */
static void on_drain_time(uv_timer_t *timer)
{
	struct process *process = timer->data;

	stream_cut(process->out);
	stream_cut(process->err);
	if (process->waited)
		container_forget(process->container, process);
}

static void on_ended(void *context, pid_t pid, int status)
{
	struct process *process = context;

	process->state = PROCESS_ENDED;
	process->status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	stream_free(TAKE_PTR(process->in));
	uv_timer_start(&process->timer, on_drain_time, PROCESS_DRAIN_MS, 0);
	container_process_ended(process->container, process);
	tell_waiters(process);
}

int process_settle(struct process *process, pid_t pid, struct error *err)
{
	int r = pid > 0 ? 0 : error_set(err, EPROTO, "crun has written no pid");

	if (r == 0 && process->terminal)
		r = take_terminal(process, err);
	close_ends(process);
	if (r == 0)
		r = children_watch(process->agent->children, pid, on_ended, process, err);
	if (r < 0) {
		if (pid > 0)
			kill(pid, SIGKILL);
		return r;
	}
	process->pid = pid;
	process->state = PROCESS_RUNNING;
	return 0;
}

void process_free(struct process *process)
{
	if (!process)
		return;
	if (process->state == PROCESS_RUNNING)
		children_forget(process->agent->children, process->pid);
	if (process->state != PROCESS_ENDED)
		process->status = 128 + SIGKILL; /* what has become of it, as far as anybody can say */
	tell_waiters(process);
	stream_free(process->in);
	stream_free(process->out);
	stream_free(process->err);
	close_ends(process);
	free(process->id);
	uv_close((uv_handle_t *)&process->timer, on_closed);
}

/* ── Signals, and its end ── */

int process_signal(const struct process *process, int signal, struct error *err)
{
	if (process->state == PROCESS_ENDED && signal == SIGKILL)
		return 0;
	if (process->state == PROCESS_ENDED)
		return error_set(err, ENOENT, "it has ended already, with %d", process->status);
	if (process->state == PROCESS_MADE)
		return error_set(err, ESTALE, "it is still being made");
	if (kill(process->pid, signal) < 0)
		return error_errno(err, errno, "cannot send signal %d to process %d", signal, (int)process->pid);
	return 0;
}

static void on_gone(void *context, struct ttrpc_call *call)
{
	struct process *process = context;

	for (size_t i = 0; i < process->n_waiters; i++) {
		if (process->waiters[i] == call)
			process->waiters[i--] = process->waiters[--process->n_waiters];
	}
	ttrpc_call_finish(call, RPC_CANCELLED, NULL);
}

void process_wait(struct process *process, struct ttrpc_call *call)
{
	struct error err;

	if (process->state == PROCESS_ENDED && process->waited && process != process->container->first) {
		error_set(&err, ENOENT, "container %s: the end of process %s has been told", process->container->id, process->id);
		ttrpc_call_fail(call, &err);
	} else if (process->state == PROCESS_ENDED) {
		process->waited = true;
		answer_status(call, process->status);
		container_forget(process->container, process);
	} else if (process->n_waiters == PROCESS_WAITERS_MAX) {
		error_set(&err, ENOBUFS, "%d calls wait for it already", PROCESS_WAITERS_MAX);
		ttrpc_call_fail(call, &err);
	} else {
		process->waiters[process->n_waiters++] = call;
		ttrpc_call_on_gone(call, on_gone, process);
	}
}
