// SPDX-License-Identifier: Apache-2.0
/*
 *	exec ─→ MADE ── start ──→ STARTING ─→ RUNNING ── end of its output ─→ WaitProcess ─→ ENDED
 *	          └──── SIGKILL ─────────────────────────────────────────────→ ENDING ────────┘
 *
 * WaitProcess comes after the end of the output, because Kata's agent forgets the streams with it; ours ends the streams of a process that
 *has ended. So `exited` is never told before the last byte is in its fifo.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "kata-shim/vm/sandbox/vm.h"

#define STATUS_UNKNOWN 255

/* What the agent calls it: the first process has the container's name. */
static char *agent_name(struct vm_process *process)
{
	return *process->exec ? process->exec : process->container->id;
}

void process_clear(struct vm_process *process)
{
	agent_cancel(&process->wait);
	stdio_close(TAKE_PTR(process->stdio));
	plan_process_clear(&process->asked);
	process->asked = (struct plan_process){};
}

/* ── Its end ── */

void process_exited(struct vm_process *process, uint32_t status)
{
	const struct vm *vm = process->container->vm;
	struct timespec now;

	process->state = PROCESS_ENDED;
	if (process->stdio)
		stdio_end(process->stdio);
	clock_gettime(CLOCK_REALTIME, &now);
	vm->listener->exited(vm->context, process->container->id, process->exec, status, &now);
}

/* One whose VM is lost is told by vm_lose. */
static void on_waited(struct agent_call *call, const struct error *err, const void *answer)
{
	struct vm_process *process = call->context;
	const Agent__WaitProcessResponse *ended = answer;

	if (err && (err->code == ECONNRESET || err->code == ECANCELED))
		return;
	bool is_status = !err && ended->status >= 0 && ended->status <= STATUS_UNKNOWN;
	process_exited(process, is_status ? (uint32_t)ended->status : STATUS_UNKNOWN);
}

static void on_drained(void *context)
{
	struct vm_process *process = context;
	struct vm *vm = process->container->vm;
	Agent__WaitProcessRequest request = AGENT__WAIT_PROCESS_REQUEST__INIT;

	if (vm->state != VM_RUNS || process->state != PROCESS_RUNNING)
		return;
	request.container_id = process->container->id;
	request.exec_id = agent_name(process);
	agent_call(vm->agent, &process->wait, AGENT_WAIT_PROCESS, &request, on_waited);
}

/* ── Its beginning ── */

static int add_exec(struct vm *vm, const char *id, const char *exec, struct vm_process **ret, struct error *err)
{
	struct vm_container *container;
	struct vm_process *process;
	struct error ignored;

	int r = vm_check(vm, err);
	if (r == 0)
		r = spec_check_id("exec", exec, err);
	if (r == 0)
		r = vm_find_container(vm, id, &container, err);
	if (r < 0)
		return r;
	if (!container->in_guest || container->removing)
		return error_set(err, EBUSY, "container %s has no process in the guest, so that none can be executed beside it", id);
	if (vm_find_process(vm, id, exec, &process, &ignored) == 0)
		return error_set(err, EEXIST, "container %s has a process %s already", id, exec);
	process = calloc(1, sizeof(*process));
	if (!process)
		return error_nomem(err);
	process->container = container;
	process->wait.context = process;
	memcpy(process->exec, exec, strlen(exec) + 1);
	process->next = container->execs;
	container->execs = process;
	*ret = process;
	return 0;
}

static void remove_exec(struct vm_process *process)
{
	struct vm_process **at = &process->container->execs;

	while (*at != process)
		at = &(*at)->next;
	*at = process->next;
	process_clear(process);
	free(process);
}

void vm_exec(struct vm *vm, const char *container, const char *exec, struct slice process_json, const struct vm_stdio *stdio, vm_done *done,
	     void *context)
{
	struct vm_process *process;
	struct error err;

	int r = add_exec(vm, container, exec, &process, &err);
	if (r < 0) {
		op_answer(vm, done, context, &err);
		return;
	}
	r = plan_read_process(process_json, &process->asked, &err);
	if (r == 0)
		r = stdio_open(vm->loop, stdio, &process->stdio, &err);
	if (r < 0)
		remove_exec(process);
	op_answer(vm, done, context, r < 0 ? &err : NULL);
}

static void resize(struct vm_process *process, struct agent_call *call, agent_done *done)
{
	Agent__TtyWinResizeRequest request = AGENT__TTY_WIN_RESIZE_REQUEST__INIT;

	request.container_id = process->container->id;
	request.exec_id = agent_name(process);
	request.row = process->height;
	request.column = process->width;
	agent_call(process->container->vm->agent, call, AGENT_TTY_WIN_RESIZE, &request, done);
}

/* A terminal that keeps its size is no reason against a process that runs. */
static void on_first_size(struct agent_call *call, const struct error *err, const void *answer)
{
	op_end(call->context, NULL);
}

static void on_started(struct agent_call *call, const struct error *err, const void *answer)
{
	struct op *op = call->context;
	struct vm_process *process = op->process;

	op->process = NULL;
	if (op->vm->state != VM_RUNS || err) {
		process->state = PROCESS_MADE;
		op_end(op, err);
		return;
	}
	process->state = PROCESS_RUNNING;
	plan_process_clear(&process->asked);
	process->asked = (struct plan_process){};
	stdio_start(process->stdio, op->vm->agent, process->container->id, agent_name(process), on_drained, process);
	if (process->width)
		resize(process, call, on_first_size);
	else
		op_end(op, NULL);
}

static void ask_to_start(struct vm_process *process, struct agent_call *call)
{
	struct agent *agent = process->container->vm->agent;
	Agent__StartContainerRequest start = AGENT__START_CONTAINER_REQUEST__INIT;
	Agent__ExecProcessRequest exec = AGENT__EXEC_PROCESS_REQUEST__INIT;

	start.container_id = exec.container_id = process->container->id;
	exec.exec_id = process->exec;
	exec.process = process->asked.message;
	if (*process->exec)
		agent_call(agent, call, AGENT_EXEC_PROCESS, &exec, on_started);
	else
		agent_call(agent, call, AGENT_START_CONTAINER, &start, on_started);
}

static int check_start(struct vm *vm, const struct vm_process *process, struct error *err)
{
	int r = vm_check(vm, err);

	if (r < 0)
		return r;
	if (process->container->creating || process->container->removing || process->state != PROCESS_MADE)
		return error_set(err, EBUSY, "container %s, process \"%s\" cannot be started: it is not just made", process->container->id,
				 process->exec);
	return 0;
}

void vm_start(struct vm *vm, const char *container, const char *exec, vm_done *done, void *context)
{
	struct vm_process *process;
	struct error err;

	int r = vm_find_process(vm, container, exec, &process, &err);
	if (r == 0)
		r = check_start(vm, process, &err);
	if (r < 0 || !process->container->in_guest) {
		if (r == 0)
			process->state = PROCESS_RUNNING;
		op_answer(vm, done, context, r < 0 ? &err : NULL);
		return;
	}
	struct op *op = op_new(vm, done, context);
	if (!op)
		return;
	process->state = PROCESS_STARTING;
	op->process = process;
	ask_to_start(process, &op->call);
}

/* ── What is done to it ── */

/* ESRCH: it has ended. */
static int find_living(struct vm *vm, const char *container, const char *exec, struct vm_process **ret, struct error *err)
{
	struct vm_process *process;

	int r = vm_find_process(vm, container, exec, &process, err);
	if (r < 0)
		return r;
	if (process->state == PROCESS_ENDING || process->state == PROCESS_ENDED || process->container->removing)
		return error_set(err, ESRCH, "container %s, process \"%s\" has ended", container, process->exec);
	r = vm_check(vm, err);
	if (r == 0)
		*ret = process;
	return r;
}

/* The sandbox's own container has no process, and what was not started yet has none that could be told. */
static bool ends_here(const struct vm_process *process, int signal)
{
	bool ends = signal == SIGKILL || signal == SIGTERM;

	return ends && (process->state == PROCESS_MADE || !process->container->in_guest);
}

void vm_kill(struct vm *vm, const char *container, const char *exec, int signal, bool all, vm_done *done, void *context)
{
	Agent__SignalProcessRequest request = AGENT__SIGNAL_PROCESS_REQUEST__INIT;
	struct vm_process *process;
	struct error err;

	int r = find_living(vm, container, exec, &process, &err);
	if (r == 0 && process->state == PROCESS_MADE && !ends_here(process, signal))
		r = error_set(&err, EBUSY, "container %s, process \"%s\" does not run yet, and takes no signal %d", container,
			      process->exec, signal);
	struct op *op = op_new(vm, done, context);
	if (!op)
		return;
	if (r < 0) {
		op_end_later(op, &err);
	} else if (ends_here(process, signal)) {
		process->state = PROCESS_ENDING;
		process->status = 128 + (uint32_t)signal;
		op->process = process;
		op_end_later(op, NULL);
	} else if (!process->container->in_guest) {
		op_end_later(op, NULL);
	} else {
		if (signal == SIGKILL && process->killed_at == 0)
			process->killed_at = uv_now(vm->loop);
		request.container_id = process->container->id;
		request.exec_id = all ? (char *)"" : agent_name(process);
		request.signal = (uint32_t)signal;
		agent_call(vm->agent, &op->call, AGENT_SIGNAL_PROCESS, &request, op_on_answer);
	}
}

void vm_resize(struct vm *vm, const char *container, const char *exec, uint32_t width, uint32_t height, vm_done *done, void *context)
{
	struct vm_process *process;
	struct error err;

	int r = find_living(vm, container, exec, &process, &err);
	struct op *op = op_new(vm, done, context);
	if (!op)
		return;
	if (r < 0) {
		op_end_later(op, &err);
		return;
	}
	process->width = width;
	process->height = height;
	if (process->state == PROCESS_RUNNING && process->container->in_guest)
		resize(process, &op->call, op_on_answer);
	else
		op_end_later(op, NULL);
}

void vm_close_stdin(struct vm *vm, const char *container, const char *exec, vm_done *done, void *context)
{
	struct vm_process *process;
	struct error err;

	int r = vm_find_process(vm, container, exec, &process, &err);
	if (r == 0 && process->stdio)
		stdio_close_input(process->stdio);
	op_answer(vm, done, context, r < 0 ? &err : NULL);
}

/* ── vm_remove of an exec ── */

static void remove_later(struct op *op)
{
	remove_exec(TAKE_PTR(op->process));
	op_end(op, NULL);
}

int process_remove(struct vm_process *process, struct op *op, struct error *err)
{
	bool is_idle = process->state == PROCESS_MADE || process->state == PROCESS_ENDED;

	if (!is_idle || process->container->removing)
		return error_set(err, EBUSY, "container %s, process %s cannot be removed: %s", process->container->id, process->exec,
				 is_idle ? "its container is being removed" : "it runs");
	process->state = PROCESS_ENDING;
	op->process = process;
	op->then = remove_later;
	op_end_later(op, NULL);
	return 0;
}
