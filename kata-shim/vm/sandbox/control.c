// SPDX-License-Identifier: Apache-2.0
/* What is asked of a container as a whole. */
#include <stdlib.h>

#include "kata-shim/vm/sandbox/vm.h"

int vm_find_in_guest(struct vm *vm, const char *id, struct vm_container **ret, struct error *err)
{
	int r = vm_find_container(vm, id, ret, err);

	if (r == 0)
		r = vm_check(vm, err);
	if (r == 0 && (*ret)->creating)
		return error_set(err, EBUSY, "container %s is being made", id);
	return r;
}

/* ── Pause and resume: the sandbox's own container stands still always ── */

static void ask_simply(struct vm *vm, const char *id, enum agent_method method, vm_done *done, void *context)
{
	Agent__PauseContainerRequest pause = AGENT__PAUSE_CONTAINER_REQUEST__INIT;
	Agent__ResumeContainerRequest resume = AGENT__RESUME_CONTAINER_REQUEST__INIT;
	struct vm_container *container;
	struct error err;

	int r = vm_find_in_guest(vm, id, &container, &err);
	if (r < 0 || !container->in_guest) {
		op_answer(vm, done, context, r < 0 ? &err : NULL);
		return;
	}
	struct op *op = op_new(vm, done, context);
	if (!op)
		return;
	pause.container_id = resume.container_id = container->id;
	if (method == AGENT_PAUSE_CONTAINER)
		agent_call(vm->agent, &op->call, method, &pause, op_on_answer);
	else
		agent_call(vm->agent, &op->call, method, &resume, op_on_answer);
}

void vm_pause(struct vm *vm, const char *container, vm_done *done, void *context)
{
	ask_simply(vm, container, AGENT_PAUSE_CONTAINER, done, context);
}

void vm_resume(struct vm *vm, const char *container, vm_done *done, void *context)
{
	ask_simply(vm, container, AGENT_RESUME_CONTAINER, done, context);
}

/* ── Stats ── */

struct stats {
	struct op *op;
	vm_stats_done *done;
	void *context;
};

static void on_stats_failed(void *context, const struct error *err)
{
	struct stats *stats = context;
	vm_stats_done *done = stats->done;
	void *theirs = stats->context;

	free(stats);
	if (done)
		done(theirs, err, NULL);
}

static void on_stats(struct agent_call *call, const struct error *err, const void *answer)
{
	struct op *op = call->context;
	struct stats *stats = op->context;

	if (!err) {
		stats->done(stats->context, NULL, answer);
		stats->done = NULL;
	}
	op_end(op, err);
}

void vm_stats(struct vm *vm, const char *id, vm_stats_done *done, void *context)
{
	Agent__StatsContainerRequest request = AGENT__STATS_CONTAINER_REQUEST__INIT;
	struct stats *stats = malloc(sizeof(*stats));
	struct vm_container *container;
	struct error err;

	if (!stats) {
		error_nomem(&err);
		done(context, &err, NULL);
		return;
	}
	*stats = (struct stats){ .done = done, .context = context };
	int r = vm_find_in_guest(vm, id, &container, &err);
	if (r < 0 || !container->in_guest) {
		op_answer(vm, on_stats_failed, stats, r < 0 ? &err : NULL);
		return;
	}
	struct op *op = op_new(vm, on_stats_failed, stats);
	if (!op)
		return;
	request.container_id = container->id;
	agent_call(vm->agent, &op->call, AGENT_STATS_CONTAINER, &request, on_stats);
}

/* ── Remove ── */

static void unlink_and_free(struct vm_container *container)
{
	struct vm *vm = container->vm;
	struct vm_container **at = &vm->containers;

	/* Its processes are gone with it, also those of which the guest has not said so yet. */
	for (struct vm_process *process = container->execs; process; process = process->next) {
		agent_cancel(&process->wait);
		if (process->state == PROCESS_RUNNING)
			process_exited(process, KILLED);
	}
	while (*at != container)
		at = &(*at)->next;
	*at = container->next;
	container_free(container);
	cpus_follow(vm);
}

static void on_copies_ended(struct vm_container *container)
{
	struct op *op = TAKE_PTR(container->remover);

	unlink_and_free(container);
	op_end_later(op, NULL);
}

/*
 * A container that the guest does not know is removed there. One that it cannot remove in time stays until the VM ends, or it is tried
 * again.
 */
static void on_removed(struct agent_call *call, const struct error *err, const void *answer)
{
	struct op *op = call->context;
	struct vm_container *container = op->container;

	if (err && err->code == ETIMEDOUT) {
		container->removing = false;
		op_end(op, err);
		return;
	}
	container->remover = op;
	if (op->vm->state == VM_RUNS)
		container_end_copies(container, on_copies_ended);
	else
		on_copies_ended(container);
}

/* Something is under way for one of its processes, which is soon answered. */
static bool has_busy_exec(const struct vm_container *container)
{
	for (const struct vm_process *process = container->execs; process; process = process->next) {
		if (process->state == PROCESS_STARTING || process->state == PROCESS_ENDING)
			return true;
	}
	return false;
}

static const char *why_not_removed(const struct vm_container *container)
{
	if (container->creating)
		return "it is being made";
	if (container->removing)
		return "it is being removed";
	if (container->updating)
		return "it is being updated";
	if (container->first.state != PROCESS_MADE && container->first.state != PROCESS_ENDED)
		return "it runs";
	return has_busy_exec(container) ? "a process beside it is being started or removed" : NULL;
}

static int check_removal(const struct vm_container *container, struct error *err)
{
	const char *why = why_not_removed(container);

	return why ? error_set(err, EBUSY, "container %s cannot be removed: %s", container->id, why) : 0;
}

static void remove_later(struct op *op)
{
	unlink_and_free(TAKE_PTR(op->container));
	op_end(op, NULL);
}

static void remove_container(struct vm *vm, struct vm_container *container, struct op *op)
{
	Agent__RemoveContainerRequest request = AGENT__REMOVE_CONTAINER_REQUEST__INIT;

	container->removing = true;
	op->container = container;
	if (vm->state != VM_RUNS || !container->in_guest) {
		op->then = remove_later;
		op_end_later(op, NULL);
		return;
	}
	request.container_id = container->id;
	agent_call(vm->agent, &op->call, AGENT_REMOVE_CONTAINER, &request, on_removed);
}

void vm_remove(struct vm *vm, const char *id, const char *exec, vm_done *done, void *context)
{
	struct vm_process *process;
	struct error err;

	struct op *op = op_new(vm, done, context);
	if (!op)
		return;
	int r = vm_find_process(vm, id, exec, &process, &err);
	if (r == 0)
		r = *process->exec ? process_remove(process, op, &err) : check_removal(process->container, &err);
	if (r < 0)
		op_end_later(op, &err);
	else if (!*process->exec)
		remove_container(vm, process->container, op);
}
