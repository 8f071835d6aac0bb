// SPDX-License-Identifier: Apache-2.0
/*
 * Create: of the sandbox's container it is the start of the VM, and if that fails nothing may be left of it before containerd hears so.
 * containerd gives up a Create by deleting what it has not got yet: then the VM is stopped where it stands, and a container of it is
 * deleted as soon as it is there. So it is when nobody waits for the answer any more (containerd was killed): one that follows has asked what
 * there is, was told that there is nothing, and would never take away what came later.
 */
#include <errno.h>
#include <stdlib.h>

#include "common/base/log.h"
#include "kata-shim/task/answer.h"
#include "kata-shim/task/service_internal.h"

extern const struct vm_listener service_listener;

static void creation_free(struct creation *creation)
{
	process_unref(creation->process);
	message_freep(&creation->request);
	free(creation);
}

/* ── The end ── */

static void fail(struct creation *creation, const struct error *err)
{
	struct process *process = creation->process;

	answer_error_of_create(creation->call, err);
	if (process->deleter)
		ttrpc_call_finish(process->deleter, RPC_NOT_FOUND, "it was never created");
	tasks_remove(&creation->service->tasks, process);
	creation_free(creation);
}

static void succeed(struct creation *creation)
{
	struct service *service = creation->service;
	struct process *process = creation->process;
	struct ttrpc_call *deleter = TAKE_PTR(process->deleter);

	process->pid = (uint32_t)vm_pid(service->vm);
	process_created(&process->state);
	event_create(service->options.publisher, process, creation->request);
	log_created(creation);
	if (creation->abandoned && !deleter)
		deleter = TAKE_PTR(creation->call);
	else
		answer_pid(creation->call, process->pid);
	if (service->why.code == ECONNRESET) /* the VM was lost at this very moment */
		service_killed(service, process);
	if (deleter)
		service_delete(service, process, deleter);
	creation_free(creation);
}

void creation_went(struct creation *creation)
{
	creation->service->why.code = 0; /* another Create of the sandbox may do better */
	fail(creation, &creation->why);
}

/* The sandbox's: the VM goes first. */
static void give_up(struct creation *creation, const struct error *err)
{
	struct service *service = creation->service;

	if (creation->why.code == 0)
		creation->why = *err;
	log_error("the sandbox was not created", "sandbox", service->options.sandbox, "reason", creation->why.message);
	service_stop_vm(service);
}

static void on_created(void *context, const struct error *err)
{
	struct creation *creation = context;
	struct service *service = creation->service;

	if (service->creation != creation) {
		if (err)
			fail(creation, err);
		else
			succeed(creation);
		return;
	}
	if (err || service->is_stopping) {
		give_up(creation, err ? err : &service->why);
		return;
	}
	service->creation = NULL;
	succeed(creation);
}

/* Without a sandbox nothing is left to be asked for: the shim ends, and containerd cleans up after it, whenever it is back. */
static void on_abandoned(void *context, struct ttrpc_call *call)
{
	struct creation *creation = context;
	struct service *service = creation->service;

	log_warn("containerd has not waited until it was created", "sandbox", service->options.sandbox, "container",
		 creation->process->container->id);
	creation->abandoned = true;
	if (!service_is_sandbox(service, creation->process))
		return;
	service_stop_vm(service);
	service->ending = true;
	service->options.shutdown(service->options.context);
}

/* ── The way ── */

static struct vm_rootfs *rootfs_of(const Task__CreateRequest *request)
{
	struct vm_rootfs *rootfs = calloc(request->n_rootfs + 1, sizeof(*rootfs));

	for (size_t i = 0; rootfs && i < request->n_rootfs; i++) {
		const Task__Mount *mount = request->rootfs[i];
		rootfs[i] = (struct vm_rootfs){ mount->type, mount->source, mount->target, (const char *const *)mount->options,
						mount->n_options };
	}
	return rootfs;
}

static void make(struct creation *creation)
{
	const Task__CreateRequest *request = creation->request;
	const struct vm_stdio stdio = { request->stdin, request->stdout, request->stderr, request->terminal };
	_cleanup_free_ struct vm_rootfs *rootfs = rootfs_of(request);
	struct error err;

	if (!rootfs) {
		error_nomem(&err);
		on_created(creation, &err);
		return;
	}
	vm_create(creation->service->vm, request->id, request->bundle, rootfs, request->n_rootfs, &stdio, on_created, creation);
}

static void on_booted(void *context, const struct error *err)
{
	struct creation *creation = context;
	struct service *service = creation->service;

	if (err || service->is_stopping) {
		give_up(creation, err ? err : &service->why);
		return;
	}
	log_booted(service, creation);
	service->is_up = true;
	make(creation);
}

static void boot(struct creation *creation)
{
	struct service *service = creation->service;
	struct error err;

	service->why.code = 0;
	int r = vm_new(service->loop, creation->request->id, creation->request->bundle, service->options.settings, &service_listener,
		       service, &service->vm, &err);
	if (r < 0) {
		fail(creation, &err);
		return;
	}
	service->creation = creation;
	vm_boot(service->vm, on_booted, creation);
}

static int check(const struct service *service, const Task__CreateRequest *request, struct error *err)
{
	const bool sandbox = strcmp(request->id, service->options.sandbox) == 0;

	if (*request->checkpoint)
		return error_set(err, EINVAL, "container \"%s\": a checkpoint cannot be restored in a VM", request->id);
	if (sandbox && service->is_confined && !service->is_up)
		return error_set(err, ESTALE, "sandbox \"%s\": its shim can start one VM only: delete the sandbox",
				 service->options.sandbox);
	if (service->ending)
		return error_set(err, EBUSY, "the shim of sandbox \"%s\" is about to end", service->options.sandbox);
	if (sandbox || service->is_up)
		return 0;
	if (service->why.code == ECONNRESET)
		return error_set(err, ESTALE, "%s", service->why.message);
	return error_set(err, ESTALE, "container \"%s\": sandbox \"%s\" has no VM that runs", request->id, service->options.sandbox);
}

static struct creation *creation_new(struct service *service, struct ttrpc_call *call, Task__CreateRequest *request, struct error *err)
{
	const struct process_stdio stdio = { request->stdin, request->stdout, request->stderr, request->terminal };
	_cleanup_free_ struct creation *creation = calloc(1, sizeof(*creation));
	struct process *process;

	if (!creation) {
		error_nomem(err);
		return NULL;
	}
	if (check(service, request, err) < 0 || tasks_add(&service->tasks, request->id, request->bundle, &stdio, &process, err) < 0)
		return NULL;
	*creation = (struct creation){ .service = service, .call = call, .process = process_ref(process), .request = request,
				       .began_ns = uv_hrtime() };
	ttrpc_call_on_gone(call, on_abandoned, creation);
	return TAKE_PTR(creation);
}

void service_create(struct service *service, struct ttrpc_call *call, Task__CreateRequest *request)
{
	struct error err;
	struct creation *creation = creation_new(service, call, request, &err);

	if (!creation) {
		answer_error_of_create(call, &err);
		message_freep(&request);
		return;
	}
	if (service_is_sandbox(service, creation->process))
		boot(creation);
	else
		make(creation);
}
