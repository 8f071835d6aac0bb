// SPDX-License-Identifier: Apache-2.0
#include "kata-shim/vm/sandbox/vm.h"

#include <stdio.h>
#include <stdlib.h>

#include "kata-shim/bundle/bundle.h"

static int read_sandbox(const char *bundle, struct plan_sandbox *ret, struct error *err)
{
	_cleanup_(buf_free) struct buf config = BUF_MAX(SPEC_BYTES_MAX);
	_cleanup_close_ int fd = -1;

	int r = bundle_open(bundle, &fd, err);
	if (r == 0)
		r = bundle_read_file(fd, "config.json", false, &config, err);
	return r < 0 ? r : plan_read_sandbox(buf_view(&config), ret, err);
}

/*
 * containerd says the sum of the limits that there are, also of a pod in which one container has one and the next has none; and kubelet
 * limits a pod's cgroup only if all have one. Such a pod gets for the others what one without any limit gets.
 */
static int find_limits(struct vm *vm, struct error *err)
{
	struct plan_sandbox *sandbox = &vm->sandbox;
	_cleanup_free_ char *path = NULL, *pod = NULL;
	struct error ignored;
	uint64_t limit;

	int r = cgroup_path(sandbox->cgroups_path, vm->id, &path, err);
	if (r < 0)
		return r;
	if (sandbox->limits.memory && sandbox->pod.uid && cgroup_is_in_pod(path, sandbox->pod.uid, &pod) &&
	    cgroup_read_limit(pod, &limit, &ignored) == 0 && limit == UINT64_MAX)
		sandbox->limits.memory += (uint64_t)vm->settings->memory_unlimited_mib << 20;
	return 0;
}

int vm_new(uv_loop_t *loop, const char *id, const char *bundle, const struct vm_settings *settings, const struct vm_listener *listener,
	   void *context, struct vm **ret, struct error *err)
{
	int r = spec_check_id("sandbox", id, err);
	if (r < 0)
		return r;
	struct vm *vm = calloc(1, sizeof(*vm));
	if (!vm)
		return error_nomem(err);
	vm->loop = loop;
	memcpy(vm->id, id, strlen(id) + 1);
	vm->settings = settings;
	vm->listener = listener;
	vm->context = context;
	vm->later_last = &vm->later;
	vm->bundle = strdup(bundle);
	r = vm->bundle ? read_sandbox(bundle, &vm->sandbox, err) : error_nomem(err);
	if (r == 0)
		r = find_limits(vm, err);
	if (r == 0)
		r = vm_size_of(settings, &vm->sandbox.limits, &vm->size, err);
	vm->given_mib = vm->size.memory_mib;
	if (r < 0)
		vm_free(vm);
	else
		*ret = vm;
	return r;
}

void vm_free(struct vm *vm)
{
	if (!vm)
		return;
	while (vm->containers) {
		struct vm_container *container = vm->containers;

		vm->containers = container->next;
		container_free(container);
	}
	pause_forget(vm);
	net_messages_free(vm->network);
	plan_sandbox_clear(&vm->sandbox);
	free(vm->bundle);
	free(vm->cpus);
	free(vm);
}

pid_t vm_pid(const struct vm *vm)
{
	return vm->vmm ? vmm_pid(vm->vmm) : 0;
}

/* ── Who is in it ── */

int vm_check(const struct vm *vm, struct error *err)
{
	switch (vm->state) {
	case VM_RUNS:
		return 0;
	case VM_NEW:
	case VM_BOOTING:
		return error_set(err, EBUSY, "the VM of sandbox %s does not run yet", vm->id);
	case VM_STOPPING:
	case VM_STOPPED:
		return error_set(err, ECONNRESET, "the VM of sandbox %s was stopped", vm->id);
	case VM_FAILED:
	case VM_LOST:
		break;
	}
	return error_set(err, ECONNRESET, "the VM of sandbox %s is no more: %s", vm->id, vm->why.message);
}

int vm_find_container(struct vm *vm, const char *id, struct vm_container **ret, struct error *err)
{
	for (struct vm_container *container = vm->containers; container; container = container->next) {
		if (strcmp(container->id, id) == 0) {
			*ret = container;
			return 0;
		}
	}
	return error_set(err, ENOENT, "the VM has no container %s", id);
}

int vm_find_process(struct vm *vm, const char *id, const char *exec, struct vm_process **ret, struct error *err)
{
	struct vm_container *container;

	int r = vm_find_container(vm, id, &container, err);
	if (r < 0)
		return r;
	if (!exec || !*exec) {
		*ret = &container->first;
		return 0;
	}
	for (struct vm_process *process = container->execs; process; process = process->next) {
		if (strcmp(process->exec, exec) == 0) {
			*ret = process;
			return 0;
		}
	}
	return error_set(err, ENOENT, "container %s has no process %s", id, exec);
}

/* ── Its end ── */

static void end_process(struct vm_process *process)
{
	agent_cancel(&process->wait);
	if (process->state == PROCESS_RUNNING)
		process_exited(process, KILLED);
	else if (process->stdio)
		stdio_end(process->stdio);
}

/* Nobody is freed from within what is called here: that is answered from the loop. */
void vm_end_processes(struct vm *vm)
{
	for (struct vm_container *container = vm->containers; container; container = container->next) {
		for (struct vm_process *process = container->execs; process; process = process->next)
			end_process(process);
		end_process(&container->first);
	}
}

/* Some of them go with it: those that were being made or removed. */
void vm_lose_copies(struct vm *vm, const struct error *why)
{
	struct vm_container *next;

	for (struct vm_container *container = vm->containers; container; container = next) {
		next = container->next;
		container_lose_copies(container, why);
	}
}

void vm_lose(struct vm *vm, const struct error *why)
{
	if (vm->state == VM_BOOTING) {
		boot_end(vm, why);
		return;
	}
	if (vm->state != VM_RUNS)
		return;
	vm->state = VM_LOST;
	vm->why = *why;
	health_stop(vm);
	vmm_free(TAKE_PTR(vm->vmm));
	vm_end_processes(vm);
	vm_lose_copies(vm, &vm->why);
	forwards_close(TAKE_PTR(vm->forwards));
	agent_close(TAKE_PTR(vm->agent));
	op_end_held(vm);
	vm->listener->lost(vm->context, vm->why.message);
}
