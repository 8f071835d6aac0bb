// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TASK_SERVICE_INTERNAL_H
#define HOLDFAST_TASK_SERVICE_INTERNAL_H

#include "kata-shim/task/events.h"
#include "kata-shim/task/service.h"
#include "kata-shim/task/tasks.h"
#include "kata-shim/vm/sandbox/sandbox.h"

/* A Create that is under way. */
struct creation {
	struct service *service;
	struct ttrpc_call *call;
	struct process *process;
	Task__CreateRequest *request;
	struct error why; /* it fails, once the VM is gone */
	bool abandoned;   /* nobody waits for the answer */
	uint64_t began_ns;
};

/* Anything else that the VM does for a call; holds a reference of the process. */
struct work {
	struct service *service;
	struct ttrpc_call *call;
	struct process *process;
	enum process_verb verb;
	uint64_t began_ns;
};

struct service {
	uv_loop_t *loop;
	struct service_options options;
	uint64_t stood_ns; /* it could be asked since */
	struct ttrpc_service services[2];
	struct ttrpc_services list;
	struct tasks tasks;
	struct vm *vm;             /* from the sandbox's Create until vm_stop is done */
	bool is_up;                /* it can be asked for something new */
	bool is_confined;          /* so that no other VM can be started */
	bool is_stopping;          /* vm_stop is under way */
	bool ending;               /* nothing is created any more */
	struct error why;          /* code 0, or why there is no VM any more */
	struct creation *creation; /* of the sandbox's container */
	struct work *deletion;     /* of the sandbox's container */
	void (*stopped)(void *context);
	void *stopped_context;
};

extern const struct ttrpc_method service_methods[];
extern const size_t service_n_methods;

static inline bool service_is_sandbox(const struct service *service, const struct process *process)
{
	return process_is_first(process) && strcmp(process->container->id, service->options.sandbox) == 0;
}

/* It can be asked; that it is lost it says itself. */
static inline bool service_has_vm(const struct service *service)
{
	return service->vm && !service->is_stopping;
}

/* times.c: what took how long. */
void log_booted(const struct service *service, const struct creation *creation);
void log_created(const struct creation *creation);
void log_started(const struct work *work);

/* create.c: the whole of a Create, whose request is owned from here on. */
void service_create(struct service *service, struct ttrpc_call *call, Task__CreateRequest *request);

/* delete.c */
void service_delete(struct service *service, struct process *process, struct ttrpc_call *call);

/* service.c. NULL: the call has been failed. */
struct work *work_new(struct service *service, struct ttrpc_call *call, struct process *process, enum process_verb verb);
void work_free(struct work *work);

/* service.c: the VM goes; what waits for that goes on in service_went. */
void service_stop_vm(struct service *service);

/* create.c, delete.c: what they have waited for has happened. */
void creation_went(struct creation *creation);
void deletion_went(struct work *work);

/* A process has ended. */
void service_ended(struct service *service, struct process *process, uint32_t status, const struct timespec *at);
/* With the VM, or because it is deleted. */
void service_killed(struct service *service, struct process *process);

#endif
