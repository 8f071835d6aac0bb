// SPDX-License-Identifier: Apache-2.0
#include <time.h>

#include "kata-shim/task/answer.h"
#include "kata-shim/task/service_internal.h"

static void done(struct work *work)
{
	struct service *service = work->service;
	struct process *process = work->process;

	if (process_is_first(process)) {
		for (struct process *exec = process->container->execs; exec; exec = exec->next)
			service_killed(service, exec);
		event_delete(service->options.publisher, process);
	}
	answer_deleted(work->call, process);
	tasks_remove(&service->tasks, process);
	work_free(work);
}

void deletion_went(struct work *work)
{
	done(work);
}

/* What a lost VM has left of a container goes with the sandbox. */
static void on_removed(void *context, const struct error *err)
{
	struct work *work = context;

	if (!err || !work->service->is_up) {
		done(work);
		return;
	}
	process_end(&work->process->state, VERB_DELETE, false);
	answer_error(work->call, err);
	work_free(work);
}

static void begin(struct service *service, struct process *process, struct ttrpc_call *call)
{
	struct work *work = work_new(service, call, process, VERB_DELETE);

	if (!work)
		return;
	if (service_is_sandbox(service, process)) {
		service->deletion = work;
		service_stop_vm(service);
	} else if (service_has_vm(service)) {
		vm_remove(service->vm, process->container->id, process->exec, on_removed, work);
	} else {
		done(work);
	}
}

/* It is deleted as soon as it is created; the sandbox never will be. */
static void wait_for_creation(struct service *service, struct process *process, struct ttrpc_call *call)
{
	if (process->deleter) {
		ttrpc_call_finish(call, RPC_UNAVAILABLE, "it is being deleted already");
		return;
	}
	process->deleter = call;
	if (service->creation && service->creation->process == process)
		service_stop_vm(service);
}

/* An exec that was never started: who waits for it hears of its end, and nobody else. */
static void end_quietly(struct process *process)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	process_ended(process, KILLED_STATUS, &now);
}

void service_delete(struct service *service, struct process *process, struct ttrpc_call *call)
{
	struct error err;

	if (process->state == PROCESS_CREATING) {
		wait_for_creation(service, process, call);
		return;
	}
	if (process->state == PROCESS_CREATED && process_is_first(process))
		service_killed(service, process);
	else if (process->state == PROCESS_CREATED)
		end_quietly(process);
	if (process_begin(&process->state, VERB_DELETE, &err) < 0) {
		process_wrap(process, &err);
		answer_error(call, &err);
		return;
	}
	begin(service, process, call);
}
