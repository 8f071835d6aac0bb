// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <signal.h>

#include "common/base/array.h"
#include "kata-shim/guest/cgroup.h"
#include "kata-shim/guest/container.h"
#include "kata-shim/guest/crun_config.h"

static void fail(struct ttrpc_call *call, int r, const struct error *err)
{
	if (r < 0)
		ttrpc_call_fail(call, err);
}

/* ── ExecProcess ── */

static void on_executed(void *context, int r, pid_t pid, const struct error *crun_err)
{
	struct process *process = context;
	struct container *container = process->container;
	struct ttrpc_call *call = TAKE_PTR(process->making);
	struct error err = *crun_err;

	process->crun = NULL;
	if (r == 0)
		r = process_settle(process, pid, &err);
	if (r < 0) {
		error_wrap(&err, "container %s: process %s", container->id, process->id);
		container_forget(container, process);
	}
	agent_answer_empty(call, r, &err);
	if (container->state == CONTAINER_REMOVING)
		container_remove(container);
}

static int begin_exec(struct process *process, const struct buf *config, struct ttrpc_call *call, struct error *err)
{
	const struct process_console console = process_console(process);
	const char *id = process->container->id;
	const char *const args[] = { "exec",
				     "--detach",
				     "--process=" CRUN_INPUT,
				     "--pid-file=" CRUN_PID_FILE,
				     process->terminal ? "--console-socket" : id,
				     process->terminal ? console.path : NULL,
				     id,
				     NULL };
	const struct crun_command command = { args, buf_view(config), process_stdio(process), ttrpc_call_left_ms(call) };

	int r = crun_start(process->agent, &command, on_executed, process, &process->crun, err);
	if (r == 0)
		process->making = call;
	return r;
}

static int execute(struct agent *agent, const Agent__ExecProcessRequest *message, struct ttrpc_call *call, struct error *err)
{
	_cleanup_(buf_free) struct buf config = BUF_MAX(CRUN_JSON_MAX);
	struct container *container;
	struct process *process;

	int r = container_find(agent->containers, message->container_id, &container, err);
	if (r < 0)
		return r;
	if (container->state != CONTAINER_RUNNING)
		return error_set(err, ESTALE, "container %s cannot execute anything: it %s", container->id,
				 container_state_words(container));
	r = crun_write_process(message->process, &config, err);
	if (r == 0)
		r = buf_check(&config, "process", err);
	if (r < 0)
		return error_wrap(err, "container %s", container->id);
	r = container_add_exec(container, message->exec_id, message->process->terminal, &process, err);
	if (r < 0)
		return r;
	r = begin_exec(process, &config, call, err);
	if (r < 0)
		container_forget(container, process);
	return r;
}

static void handle_exec(void *agent, struct ttrpc_call *call, struct slice request)
{
	_cleanup_(message_freep) Agent__ExecProcessRequest *message = NULL;
	struct error err;

	int r = message_read(&agent__exec_process_request__descriptor, request, &message, &err);
	fail(call, r < 0 ? r : execute(agent, message, call, &err), &err);
}

/* ── SignalProcess ── */

static int signal_all(struct containers *all, const char *id, int number, struct error *err)
{
	struct container *container;

	int r = container_find(all, id, &container, err);
	if (r < 0)
		return r;
	if (container->state == CONTAINER_CREATING)
		return error_set(err, ESTALE, "container %s is being created", id);
	r = cgroup_signal(container->id, number, err);
	return r < 0 ? error_wrap(err, "container %s", id) : 0;
}

static int signal_one(struct containers *all, const Agent__SignalProcessRequest *message, struct error *err)
{
	struct process *process;

	int r = container_find_process(all, message->container_id, message->exec_id, &process, err);
	if (r < 0)
		return r;
	r = process_signal(process, (int)message->signal, err);
	return r < 0 ? error_wrap(err, "container %s: process %s", message->container_id, message->exec_id) : 0;
}

static void handle_signal(void *context, struct ttrpc_call *call, struct slice request)
{
	struct containers *all = ((struct agent *)context)->containers;
	_cleanup_(message_freep) Agent__SignalProcessRequest *message = NULL;
	struct error err;

	int r = message_read(&agent__signal_process_request__descriptor, request, &message, &err);
	if (r == 0 && (message->signal < 1 || message->signal > (uint32_t)SIGRTMAX))
		r = error_set(&err, EINVAL, "container %s: %u is no signal", message->container_id, message->signal);
	if (r == 0)
		r = message->exec_id[0] ? signal_one(all, message, &err)
					: signal_all(all, message->container_id, (int)message->signal, &err);
	agent_answer_empty(call, r, &err);
}

/* ── WaitProcess ── */

static void handle_wait(void *context, struct ttrpc_call *call, struct slice request)
{
	struct agent *agent = context;
	_cleanup_(message_freep) Agent__WaitProcessRequest *message = NULL;
	struct process *process;
	struct error err;

	int r = message_read(&agent__wait_process_request__descriptor, request, &message, &err);
	if (r == 0)
		r = container_find_process(agent->containers, message->container_id, message->exec_id, &process, &err);
	if (r < 0)
		ttrpc_call_fail(call, &err);
	else
		process_wait(process, call);
}

static const struct ttrpc_method rows[] = { { "ExecProcess", handle_exec },
					    { "SignalProcess", handle_signal },
					    { "WaitProcess", handle_wait } };
const struct method_rows process_methods = { rows, ELEMENTS_OF(rows) };
