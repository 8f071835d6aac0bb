// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/array.h"
#include "common/base/log.h"
#include "kata-shim/task/answer.h"
#include "kata-shim/task/service_internal.h"

static const char *const names[] = { "containerd.task.v2.Task", "containerd.task.v3.Task" };

/* ── Work ── */

struct work *work_new(struct service *service, struct ttrpc_call *call, struct process *process, enum process_verb verb)
{
	struct work *work = malloc(sizeof(*work));

	if (!work) {
		process_end(&process->state, verb, false);
		ttrpc_call_finish(call, RPC_RESOURCE_EXHAUSTED, "out of memory");
		return NULL;
	}
	*work = (struct work){ service, call, process_ref(process), verb, uv_hrtime() };
	return work;
}

void work_free(struct work *work)
{
	process_unref(work->process);
	free(work);
}

/* ── What ends ── */

void service_ended(struct service *service, struct process *process, uint32_t status, const struct timespec *at)
{
	/* One that is being created is no process to containerd, and its Create fails. */
	if (process->state != PROCESS_CREATING && process_ended(process, status, at))
		event_exit(service->options.publisher, process);
}

void service_killed(struct service *service, struct process *process)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	service_ended(service, process, KILLED_STATUS, &now);
}

static void on_exited(void *context, const char *container, const char *exec, uint32_t status, const struct timespec *at)
{
	struct service *service = context;
	struct process *process;

	if (tasks_find_any(&service->tasks, container, exec, &process, NULL) == 0)
		service_ended(service, process, status, at);
}

static void on_oom(void *context, const char *container)
{
	struct service *service = context;
	struct process *process;

	if (tasks_find(&service->tasks, container, "", &process, NULL) == 0) {
		process->container->oom_kills++;
		event_oom(service->options.publisher, process);
	}
}

static void kill_all(struct service *service)
{
	for (struct container *container = service->tasks.containers; container; container = container->next) {
		for (struct process *exec = container->execs; exec; exec = exec->next)
			service_killed(service, exec);
		service_killed(service, &container->first);
	}
}

static void on_lost(void *context, const char *why)
{
	struct service *service = context;

	log_error("the VM is lost", "sandbox", service->options.sandbox, "reason", why);
	service->is_up = false;
	error_set(&service->why, ECONNRESET, "the VM of sandbox \"%s\" is no more: %s", service->options.sandbox, why);
	kill_all(service);
}

static int on_started(void *context, struct error *err)
{
	struct service *service = context;

	service->is_confined = service->options.confine;
	return service->is_confined ? service->options.confine(err) : 0;
}

const struct vm_listener service_listener = { on_exited, on_oom, on_lost, on_started };

/* ── The VM's end ── */

static void went(struct service *service)
{
	struct creation *creation = TAKE_PTR(service->creation);
	struct work *deletion = TAKE_PTR(service->deletion);
	void (*stopped)(void *context) = service->stopped;

	service->stopped = NULL;
	kill_all(service);
	if (creation)
		creation_went(creation);
	if (deletion)
		deletion_went(deletion);
	if (stopped)
		stopped(service->stopped_context);
}

static void on_stopped(void *context, const struct error *err)
{
	struct service *service = context;

	if (err)
		log_error("something of the VM is left", "sandbox", service->options.sandbox, "reason", err->message);
	vm_free(TAKE_PTR(service->vm));
	service->is_stopping = false;
	went(service);
}

void service_stop_vm(struct service *service)
{
	service->is_up = false;
	if (service->why.code == 0)
		error_set(&service->why, ESTALE, "sandbox \"%s\" is being removed", service->options.sandbox);
	if (service->is_stopping)
		return;
	if (!service->vm) {
		went(service);
		return;
	}
	service->is_stopping = true;
	vm_stop(service->vm, on_stopped, service);
}

void service_stop(struct service *service, void (*done)(void *context), void *context)
{
	service->ending = true;
	service->stopped = done;
	service->stopped_context = context;
	service_stop_vm(service);
}

/* ── The service ── */

bool service_is_empty(const struct service *service)
{
	return service->tasks.n == 0;
}

const struct ttrpc_services *service_list(const struct service *service)
{
	return &service->list;
}

int service_new(uv_loop_t *loop, const struct service_options *options, struct service **ret, struct error *err)
{
	struct service *service = calloc(1, sizeof(*service));

	if (!service)
		return error_nomem(err);
	service->loop = loop;
	service->options = *options;
	service->stood_ns = uv_hrtime();
	for (size_t i = 0; i < ELEMENTS_OF(names); i++)
		service->services[i] = (struct ttrpc_service){ names[i], service_methods, service_n_methods, service };
	service->list = (struct ttrpc_services){ service->services, ELEMENTS_OF(service->services) };
	*ret = service;
	return 0;
}

void service_free(struct service *service)
{
	if (!service)
		return;
	while (service->tasks.containers)
		tasks_remove(&service->tasks, &service->tasks.containers->first);
	free(service);
}
