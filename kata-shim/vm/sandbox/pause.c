// SPDX-License-Identifier: Apache-2.0
/*
 * The sandbox's own container, whose only work on a host is to hold namespaces. A guest has them without it, except when the pod's
 * containers share their processes: then somebody must be the first process, and reap. So it is made when the first such container comes,
 * from what containerd said of it when it was created. Containers that come meanwhile wait for it.
 */
#include <stdlib.h>

#include "kata-shim/vm/sandbox/vm.h"

/* ── What its root is made of ── */

static char *copy_text(const char *text)
{
	return strdup(text ? text : "");
}

static void free_rootfs(struct vm_rootfs *rootfs)
{
	for (size_t i = 0; i < rootfs->n_options; i++)
		free((char *)rootfs->options[i]);
	free((void *)rootfs->options);
	free((char *)rootfs->type);
	free((char *)rootfs->source);
	free((char *)rootfs->target);
}

/* What was copied until memory ran out is in `to`, too. */
static bool copy_rootfs(const struct vm_rootfs *from, struct vm_rootfs *to)
{
	const char **options = calloc(from->n_options + 1, sizeof(*options));

	to->options = options;
	to->type = copy_text(from->type);
	to->source = copy_text(from->source);
	to->target = copy_text(from->target);
	if (!options || !to->type || !to->source || !to->target)
		return false;
	for (size_t i = 0; i < from->n_options; i++) {
		options[i] = copy_text(from->options[i]);
		if (!options[i])
			return false;
		to->n_options++;
	}
	return true;
}

int pause_keep(struct vm *vm, const struct vm_rootfs *rootfs, size_t n_rootfs, struct error *err)
{
	vm->pause_rootfs = calloc(n_rootfs + 1, sizeof(*vm->pause_rootfs));
	if (!vm->pause_rootfs)
		return error_nomem(err);
	for (size_t i = 0; i < n_rootfs; i++) {
		vm->n_pause_rootfs++;
		if (!copy_rootfs(&rootfs[i], &vm->pause_rootfs[i]))
			return error_nomem(err);
	}
	return 0;
}

void pause_forget(struct vm *vm)
{
	container_free(TAKE_PTR(vm->pause_container));
	for (size_t i = 0; i < vm->n_pause_rootfs; i++)
		free_rootfs(&vm->pause_rootfs[i]);
	vm->n_pause_rootfs = 0;
	free(TAKE_PTR(vm->pause_rootfs));
}

/* ── In the guest ── */

/* Each from the loop: one that goes on may fail at once, and be freed. */
static void wake(struct vm *vm, const struct error *err)
{
	struct op *op = TAKE_PTR(vm->wait_for_pause);

	while (op) {
		struct op *next = op->next;
		void (*then)(struct op * op) = TAKE_PTR(op->then);

		if (err)
			op->failed(op, err);
		else
			then(op);
		op = next;
	}
}

static void finish(struct vm *vm, const struct error *err)
{
	struct error copy;

	if (err) {
		copy = *err;
		error_wrap(&copy, "the pause container, which containers that share their processes need");
		container_free(TAKE_PTR(vm->pause_container));
	}
	vm->pause = err ? PAUSE_NONE : PAUSE_MADE;
	wake(vm, err ? &copy : NULL);
}

static void on_started(struct agent_call *call, const struct error *err, const void *answer)
{
	finish(call->context, err);
}

static void on_created(struct agent_call *call, const struct error *err, const void *answer)
{
	struct vm *vm = call->context;
	Agent__StartContainerRequest request = AGENT__START_CONTAINER_REQUEST__INIT;

	if (err) {
		finish(vm, err);
		return;
	}
	request.container_id = vm->id;
	agent_call(vm->agent, call, AGENT_START_CONTAINER, &request, on_started);
}

static int make(struct vm *vm, struct error *err)
{
	struct plan plan = {};

	vm->pause_container = container_new(vm, vm->id);
	if (!vm->pause_container)
		return error_nomem(err);
	int r = container_prepare(vm->pause_container, vm->bundle, vm->pause_rootfs, vm->n_pause_rootfs, &plan, err);
	plan.shares_processes = true; /* the first of those that do */
	if (r == 0)
		container_ask(vm->pause_container, &plan, &vm->pause_call, on_created);
	plan_clear(&plan);
	return r;
}

void pause_need(struct vm *vm, struct op *op, void (*then)(struct op *op), void (*failed)(struct op *op, const struct error *err))
{
	struct error err;

	if (vm->pause == PAUSE_MADE) {
		then(op);
		return;
	}
	op->then = then;
	op->failed = failed;
	op->next = vm->wait_for_pause;
	vm->wait_for_pause = op;
	if (vm->pause == PAUSE_MAKING)
		return;
	vm->pause = PAUSE_MAKING;
	if (make(vm, &err) < 0)
		finish(vm, &err);
}

void pause_end(struct vm *vm)
{
	struct error err;

	agent_cancel(&vm->pause_call);
	error_set(&err, ECONNRESET, "the VM is no more");
	if (vm->pause == PAUSE_MAKING)
		finish(vm, &err);
}
