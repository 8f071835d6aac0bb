// SPDX-License-Identifier: Apache-2.0
/*
 * A guest that runs is asked to end, so that what it has not written yet reaches the share; one that does not answer in time is killed as
 * one that is lost. Then the host's part goes, and the handles, and what is still under way is answered; with the last of these the VM is
 * stopped.
 */
#include <assert.h>

#include "kata-shim/vm/sandbox/remains.h"
#include "kata-shim/vm/sandbox/vm.h"

static void on_handle_closed(uv_handle_t *handle)
{
	struct vm *vm = handle->data;
	struct op *op = vm->stopping;

	if (--vm->n_handles > 0 || !vm->closing)
		return;
	vm->state = VM_STOPPED;
	op_end(op, op->err);
}

void stop_go_on(struct vm *vm)
{
	if (!vm->down || vm->n_ops > 1 || vm->closing)
		return;
	vm->closing = true;
	uv_close((uv_handle_t *)&vm->idle, on_handle_closed);
	uv_close((uv_handle_t *)&vm->health, on_handle_closed);
	uv_close((uv_handle_t *)&vm->patience, on_handle_closed);
	uv_close((uv_handle_t *)&vm->oom_pause, on_handle_closed);
}

static void close_streams(struct vm *vm)
{
	for (struct vm_container *container = vm->containers; container; container = container->next) {
		for (struct vm_process *process = container->execs; process; process = process->next)
			stdio_close(TAKE_PTR(process->stdio));
		stdio_close(TAKE_PTR(container->first.stdio));
	}
}

int vm_take_down(struct vm *vm, struct error *err)
{
	struct error why;

	health_stop(vm);
	if (vm->watches_virtiofsd)
		uv_close((uv_handle_t *)&vm->virtiofsd, on_handle_closed);
	vm->watches_virtiofsd = false;
	vmm_free(TAKE_PTR(vm->vmm));
	vm_end_processes(vm);
	error_set(&why, ECONNRESET, "the VM was stopped");
	vm_lose_copies(vm, &why);
	close_streams(vm);
	pause_end(vm);
	forwards_close(TAKE_PTR(vm->forwards));
	agent_close(TAKE_PTR(vm->agent));
	op_end_held(vm);
	return host_unmake(&vm->host, err);
}

/* ── vm_stop ── */

static void take_down(struct vm *vm)
{
	struct error err;

	if (vm_take_down(vm, &err) < 0) {
		vm->stopping->err = malloc(sizeof(err));
		if (vm->stopping->err)
			*vm->stopping->err = err;
	}
	vm->down = true;
	stop_go_on(vm);
}

static void on_destroyed(struct agent_call *call, const struct error *err, const void *answer)
{
	take_down(((struct op *)call->context)->vm);
}

void vm_stop(struct vm *vm, vm_done *done, void *context)
{
	const Agent__Empty request = AGENT__EMPTY__INIT;
	const bool runs = vm->state == VM_RUNS;
	struct error err;

	assert(!vm->stopping);
	if (vm->state == VM_NEW)
		vm_open_handles(vm);
	struct op *op = op_new(vm, done, context);
	if (!op)
		return;
	if (vm->state == VM_BOOTING) {
		error_set(&err, ECANCELED, "it was stopped");
		boot_end(vm, &err);
	}
	vm->stopping = op;
	vm->state = VM_STOPPING;
	if (runs) {
		health_stop(vm);
		vm_end_processes(vm);
		agent_call(vm->agent, &op->call, AGENT_DESTROY_SANDBOX, &request, on_destroyed);
	} else {
		take_down(vm);
	}
}

int vm_clean_up(const char *id, const struct vm_settings *settings, struct error *err)
{
	int r = spec_check_id("sandbox", id, err);

	return r < 0 ? r : remains_clear(id, settings, err);
}
