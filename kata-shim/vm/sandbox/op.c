// SPDX-License-Identifier: Apache-2.0
/* What is asked of a VM is answered exactly once, from the loop. Only when there is no memory for the op itself it is answered at once. */
#include <stdlib.h>

#include "kata-shim/vm/sandbox/vm.h"

struct op *op_new(struct vm *vm, vm_done *done, void *context)
{
	struct op *op = calloc(1, sizeof(*op));
	struct error err;

	if (!op) {
		error_nomem(&err);
		done(context, &err);
		return NULL;
	}
	op->call.context = op;
	op->vm = vm;
	op->done = done;
	op->context = context;
	vm->n_ops++;
	return op;
}

static void on_idle(uv_idle_t *idle);

static bool is_of_connection(const struct error *err)
{
	return err->code == ECANCELED || err->code == ECONNRESET;
}

/* A connection that is lost says little. Who has lost it is about to be told: until then the op waits. */
static bool wait_for_reason(struct op *op, const struct error *err)
{
	struct vm *vm = op->vm;

	if (!err || err->code != ECONNRESET || vm->state != VM_RUNS || op->held)
		return false;
	if (!op->err && !(op->err = malloc(sizeof(*op->err))))
		return false;
	if (op->err != err)
		*op->err = *err;
	op->held = true;
	op->next = vm->held;
	vm->held = op;
	health_suspect(vm, err);
	return true;
}

static void queue(struct op *op)
{
	struct vm *vm = op->vm;

	op->next = NULL;
	*vm->later_last = op;
	vm->later_last = &op->next;
	uv_idle_start(&vm->idle, on_idle);
}

void op_end_held(struct vm *vm)
{
	while (vm->held) {
		struct op *op = vm->held;

		vm->held = op->next;
		op->process = NULL;
		op->then = NULL;
		queue(op);
	}
}

void op_end(struct op *op, const struct error *err)
{
	if (wait_for_reason(op, err))
		return;
	struct vm *vm = op->vm;
	vm_done *done = op->done;
	void *context = op->context;
	bool last = op == vm->stopping; /* then the VM may be freed by now */
	struct error lost, copy;

	if (err)
		err = memcpy(&copy, err, sizeof(copy));
	if (err && is_of_connection(err) && vm->state == VM_LOST && vm_check(vm, &lost) < 0)
		err = &lost;
	free(op->err);
	free(op);
	vm->n_ops--;
	done(context, err);
	if (!last)
		stop_go_on(vm);
}

static void on_idle(uv_idle_t *idle)
{
	struct vm *vm = idle->data;
	struct op *op = vm->later;
	struct vm_process *process = op->process;
	void (*then)(struct op * op) = TAKE_PTR(op->then);

	vm->later = op->next;
	if (!vm->later) {
		vm->later_last = &vm->later;
		uv_idle_stop(idle);
	}
	if (then) {
		then(op);
		return;
	}
	op_end(op, op->err);
	if (process)
		process_exited(process, process->status);
}

void op_end_later(struct op *op, const struct error *err)
{
	if (err) {
		op->err = malloc(sizeof(*op->err));
		if (!op->err) {
			op_end(op, err);
			return;
		}
		*op->err = *err;
	}
	queue(op);
}

void op_answer(struct vm *vm, vm_done *done, void *context, const struct error *err)
{
	struct op *op = op_new(vm, done, context);

	if (op)
		op_end_later(op, err);
}

void op_on_answer(struct agent_call *call, const struct error *err, const void *answer)
{
	op_end(call->context, err);
}
