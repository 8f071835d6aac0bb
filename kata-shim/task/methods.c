// SPDX-License-Identifier: Apache-2.0
/* What containerd asks for, one function for each method. Those that need the VM go on when it has answered. */
#include <errno.h>

#include "common/base/array.h"
#include "common/base/show.h"
#include "kata-shim/task/answer.h"
#include "kata-shim/task/service_internal.h"
#include "kata-shim/task/usage.h"

#define TYPES "types.containerd.io/opencontainers/runtime-spec/1/"
#define SIGNAL_MAX 64
#define METRICS_MAX 4096

/* ── Requests ── */

/* The message, or NULL: the call has been failed. */
static void *take(const ProtobufCMessageDescriptor *descriptor, struct ttrpc_call *call, struct slice bytes)
{
	ProtobufCMessage *message;
	struct error err;

	if (message_read(descriptor, bytes, &message, &err) == 0)
		return message;
	answer_error(call, &err);
	return NULL;
}

static struct process *find(struct service *service, struct ttrpc_call *call, const char *id, const char *exec)
{
	struct process *process;
	struct error err;

	if (tasks_find(&service->tasks, id, exec, &process, &err) == 0)
		return process;
	answer_error(call, &err);
	return NULL;
}

/* The work that `verb` is, begun; NULL: the call has been failed. */
static struct work *begin(struct service *service, struct ttrpc_call *call, const char *id, const char *exec, enum process_verb verb)
{
	struct process *process = find(service, call, id, exec);
	struct error err;

	if (!process)
		return NULL;
	int r = process_begin(&process->state, verb, &err);
	if (r < 0 && verb == VERB_START && service->why.code) /* it has ended with the VM, and never ran */
		r = error_set(&err, ECONNRESET, "%s", service->why.message);
	if (r == 0 && !service_has_vm(service)) {
		process_end(&process->state, verb, false);
		r = error_set(&err, ECONNRESET, "%s", service->why.message);
	}
	if (r == 0)
		return work_new(service, call, process, verb);
	process_wrap(process, &err);
	answer_error(call, &err);
	return NULL;
}

static int check_type(const Task__Any *any, const char *type, struct error *err)
{
	if (any && strcmp(any->type_url, type) == 0)
		return 0;
	return error_set(err, EINVAL, "%s is expected, and not \"%s\"", type, SHOW(slice_string(any ? any->type_url : "")));
}

/* ── The VM's answers ── */

static void tell(const struct work *work)
{
	struct publisher *publisher = work->service->options.publisher;

	if (work->verb == VERB_START) {
		event_start(publisher, work->process);
		log_started(work);
	} else if (work->verb == VERB_PAUSE) {
		event_paused(publisher, work->process);
	} else if (work->verb == VERB_RESUME) {
		event_resumed(publisher, work->process);
	}
}

/* What the VM says of a failure names the process where that helps, and containerd names it in front of all that it is told. */
static void on_done(void *context, const struct error *err)
{
	struct work *work = context;

	process_end(&work->process->state, work->verb, !err);
	if (err) {
		answer_error(work->call, err);
	} else {
		tell(work);
		if (work->verb == VERB_START)
			answer_pid(work->call, work->process->pid);
		else
			answer_empty(work->call);
	}
	work_free(work);
}

static void on_exec_added(void *context, const struct error *err)
{
	struct work *work = context;
	struct process *process = work->process;
	struct ttrpc_call *deleter = TAKE_PTR(process->deleter);

	if (err || process->removed) {
		struct error why = { ECONNRESET, "its container is gone" };
		answer_error_of_create(work->call, err ? err : &why);
		if (deleter)
			ttrpc_call_finish(deleter, RPC_NOT_FOUND, "it was never created");
		tasks_remove(&work->service->tasks, process);
	} else {
		process_created(&process->state);
		event_exec_added(work->service->options.publisher, process);
		answer_empty(work->call);
		if (deleter)
			service_delete(work->service, process, deleter);
	}
	work_free(work);
}

static void answer_usage(struct ttrpc_call *call, const struct process *process, struct usage *usage)
{
	_cleanup_(buf_free) struct buf metrics = BUF_MAX(METRICS_MAX);

	usage->oom_kills = process->container->oom_kills;
	const char *type = usage_print(usage, usage_host_is_v2(), &metrics);
	answer_stats(call, type, buf_view(&metrics));
}

static void on_stats(void *context, const struct error *err, const Agent__StatsContainerResponse *stats)
{
	struct work *work = context;
	struct usage usage;
	struct error why;
	int r = 0;

	if (err) {
		why = *err;
		r = -why.code;
	} else if (stats) {
		usage = usage_of_agent(stats);
	} else {
		r = usage_of_process((pid_t)work->process->pid, &usage, &why);
	}
	if (r < 0)
		answer_error(work->call, &why);
	else
		answer_usage(work->call, work->process, &usage);
	work_free(work);
}

/* ── Answered from memory ── */

static void handle_state(void *context, struct ttrpc_call *call, struct slice bytes)
{
	_cleanup_(message_freep) Task__ProcessRequest *request = take(&task__process_request__descriptor, call, bytes);
	const struct process *process = request ? find(context, call, request->id, request->exec_id) : NULL;

	if (process)
		answer_state(call, process);
}

static void handle_wait(void *context, struct ttrpc_call *call, struct slice bytes)
{
	_cleanup_(message_freep) Task__ProcessRequest *request = take(&task__process_request__descriptor, call, bytes);
	struct process *process = request ? find(context, call, request->id, request->exec_id) : NULL;

	if (process)
		process_wait(process, call);
}

static void handle_pids(void *context, struct ttrpc_call *call, struct slice bytes)
{
	_cleanup_(message_freep) Task__ContainerRequest *request = take(&task__container_request__descriptor, call, bytes);
	const struct process *process = request ? find(context, call, request->id, "") : NULL;

	if (process)
		answer_pids(call, process);
}

/* Of a container that is not there it says the shim's process alone, as runc's does. */
static void handle_connect(void *context, struct ttrpc_call *call, struct slice bytes)
{
	_cleanup_(message_freep) Task__ContainerRequest *request = take(&task__container_request__descriptor, call, bytes);
	const struct service *service = context;
	struct process *process;

	if (request)
		answer_connect(call, tasks_find(&service->tasks, request->id, "", &process, NULL) == 0 ? process->pid : 0);
}

static void handle_shutdown(void *context, struct ttrpc_call *call, struct slice bytes)
{
	struct service *service = context;

	answer_empty(call);
	if (!service_is_empty(service) || service->ending)
		return;
	service->ending = true;
	service->options.shutdown(service->options.context);
}

static void handle_checkpoint(void *context, struct ttrpc_call *call, struct slice bytes)
{
	ttrpc_call_finish(call, RPC_UNIMPLEMENTED, "a container in a VM cannot be checkpointed");
}

/* ── Done by the VM ── */

static void handle_create(void *context, struct ttrpc_call *call, struct slice bytes)
{
	Task__CreateRequest *request = take(&task__create_request__descriptor, call, bytes);

	if (request)
		service_create(context, call, request);
}

static void handle_start(void *context, struct ttrpc_call *call, struct slice bytes)
{
	_cleanup_(message_freep) Task__ProcessRequest *request = take(&task__process_request__descriptor, call, bytes);
	struct service *service = context;
	struct work *work = request ? begin(service, call, request->id, request->exec_id, VERB_START) : NULL;

	if (work)
		vm_start(service->vm, request->id, request->exec_id, on_done, work);
}

static void handle_delete(void *context, struct ttrpc_call *call, struct slice bytes)
{
	_cleanup_(message_freep) Task__ProcessRequest *request = take(&task__process_request__descriptor, call, bytes);
	struct service *service = context;
	struct process *process;
	struct error err;

	if (!request)
		return;
	if (tasks_find_any(&service->tasks, request->id, request->exec_id, &process, &err) < 0)
		answer_error(call, &err);
	else
		service_delete(service, process, call);
}

static void handle_pause(void *context, struct ttrpc_call *call, struct slice bytes)
{
	_cleanup_(message_freep) Task__ContainerRequest *request = take(&task__container_request__descriptor, call, bytes);
	struct service *service = context;
	struct work *work = request ? begin(service, call, request->id, "", VERB_PAUSE) : NULL;

	if (work)
		vm_pause(service->vm, request->id, on_done, work);
}

static void handle_resume(void *context, struct ttrpc_call *call, struct slice bytes)
{
	_cleanup_(message_freep) Task__ContainerRequest *request = take(&task__container_request__descriptor, call, bytes);
	struct service *service = context;
	struct work *work = request ? begin(service, call, request->id, "", VERB_RESUME) : NULL;

	if (work)
		vm_resume(service->vm, request->id, on_done, work);
}

static void handle_kill(void *context, struct ttrpc_call *call, struct slice bytes)
{
	_cleanup_(message_freep) Task__KillRequest *request = take(&task__kill_request__descriptor, call, bytes);
	struct service *service = context;

	if (request && (request->signal < 1 || request->signal > SIGNAL_MAX)) {
		ttrpc_call_finish(call, RPC_INVALID_ARGUMENT, "there is no such signal");
		return;
	}
	struct work *work = request ? begin(service, call, request->id, request->exec_id, VERB_KILL) : NULL;
	if (work)
		vm_kill(service->vm, request->id, request->exec_id, (int)request->signal, request->all, on_done, work);
}

/* NULL: the call has been failed. */
static struct process *add_exec(struct service *service, struct ttrpc_call *call, const Task__ExecRequest *request)
{
	const struct process_stdio stdio = { request->stdin, request->stdout, request->stderr, request->terminal };
	struct process *first = find(service, call, request->id, "");
	struct process *process;
	struct error err;

	if (!first)
		return NULL;
	int r = check_type(request->spec, TYPES "Process", &err);
	if (r == 0)
		r = process_begin(&first->state, VERB_EXEC, &err);
	if (r == 0 && !service_has_vm(service))
		r = error_set(&err, ECONNRESET, "%s", service->why.message);
	if (r < 0)
		process_wrap(first, &err);
	if (r == 0)
		r = tasks_add_exec(first->container, request->exec_id, &stdio, &process, &err);
	if (r == 0)
		return process;
	answer_error(call, &err);
	return NULL;
}

static void handle_exec(void *context, struct ttrpc_call *call, struct slice bytes)
{
	_cleanup_(message_freep) Task__ExecRequest *request = take(&task__exec_request__descriptor, call, bytes);
	struct service *service = context;
	struct process *process = request ? add_exec(service, call, request) : NULL;

	if (!process)
		return;
	struct work *work = work_new(service, call, process, VERB_EXEC);
	if (!work) {
		tasks_remove(&service->tasks, process);
		return;
	}
	process->pid = process->container->first.pid;
	const struct vm_stdio stdio = { request->stdin, request->stdout, request->stderr, request->terminal };
	const struct slice spec = slice_from(request->spec->value.data, request->spec->value.len);
	vm_exec(service->vm, request->id, request->exec_id, spec, &stdio, on_exec_added, work);
}

static void handle_resize(void *context, struct ttrpc_call *call, struct slice bytes)
{
	_cleanup_(message_freep) Task__ResizePtyRequest *request = take(&task__resize_pty_request__descriptor, call, bytes);
	struct service *service = context;
	struct work *work = request ? begin(service, call, request->id, request->exec_id, VERB_RESIZE) : NULL;

	if (!work)
		return;
	if (work->process->terminal)
		vm_resize(service->vm, request->id, request->exec_id, request->width, request->height, on_done, work);
	else
		on_done(work, NULL); /* as runc's shim does */
}

static void handle_close_io(void *context, struct ttrpc_call *call, struct slice bytes)
{
	_cleanup_(message_freep) Task__CloseIORequest *request = take(&task__close_iorequest__descriptor, call, bytes);
	struct service *service = context;
	struct work *work = request ? begin(service, call, request->id, request->exec_id, VERB_CLOSE_IO) : NULL;

	if (!work)
		return;
	if (request->stdin && work->process->state != PROCESS_STOPPED)
		vm_close_stdin(service->vm, request->id, request->exec_id, on_done, work);
	else
		on_done(work, NULL);
}

static void handle_update(void *context, struct ttrpc_call *call, struct slice bytes)
{
	_cleanup_(message_freep) Task__UpdateRequest *request = take(&task__update_request__descriptor, call, bytes);
	struct service *service = context;
	struct error err;

	if (!request)
		return;
	if (check_type(request->resources, TYPES "LinuxResources", &err) < 0) {
		answer_error(call, &err);
		return;
	}
	struct work *work = begin(service, call, request->id, "", VERB_UPDATE);
	if (work)
		vm_update(service->vm, request->id, slice_from(request->resources->value.data, request->resources->value.len), on_done, work);
}

/* Of one that has ended containerd wants to know (2.4, before it says why) whether that was for want of memory: the VM has told us. */
static void handle_stats(void *context, struct ttrpc_call *call, struct slice bytes)
{
	_cleanup_(message_freep) Task__ContainerRequest *request = take(&task__container_request__descriptor, call, bytes);
	struct service *service = context;
	const struct process *process = request ? find(service, call, request->id, "") : NULL;
	struct usage none = {};

	if (!process)
		return;
	if (process->state == PROCESS_STOPPED) {
		answer_usage(call, process, &none);
		return;
	}
	struct work *work = begin(service, call, request->id, "", VERB_STATS);
	if (work)
		vm_stats(service->vm, request->id, on_stats, work);
}

const struct ttrpc_method service_methods[] = {
	{ "State", handle_state },
	{ "Create", handle_create },
	{ "Start", handle_start },
	{ "Delete", handle_delete },
	{ "Pids", handle_pids },
	{ "Pause", handle_pause },
	{ "Resume", handle_resume },
	{ "Checkpoint", handle_checkpoint },
	{ "Kill", handle_kill },
	{ "Exec", handle_exec },
	{ "ResizePty", handle_resize },
	{ "CloseIO", handle_close_io },
	{ "Update", handle_update },
	{ "Wait", handle_wait },
	{ "Stats", handle_stats },
	{ "Connect", handle_connect },
	{ "Shutdown", handle_shutdown },
};
const size_t service_n_methods = ELEMENTS_OF(service_methods);
