// SPDX-License-Identifier: Apache-2.0
/*
 * A container's limits, and the size of the VM that they need: it was made for the sum that containerd says of the pod, and follows what
 *becomes of each container's limit since. Memory comes before the container may use it and goes after it may not:
 *
 *	more:  balloon ─→ UpdateContainer ─→ OnlineCPUMem          less:  UpdateContainer ─→ balloon
 *
 * A CPU that is not needed any more stays on: the container's quota holds. A pod without a limit has a VM of fixed size.
 */
#include <stdlib.h>

#include "kata-shim/vm/sandbox/vm.h"

struct update {
	struct op *op;
	struct vm_container *container;
	struct plan_resources resources;
	struct vm_limits limits, pod; /* as they are to be */
	struct vm_size size;
};

void limits_take(struct vm_limits *limits, const Oci__LinuxResources *resources)
{
	const Oci__LinuxMemory *memory = resources ? resources->memory : NULL;
	const Oci__LinuxCPU *cpu = resources ? resources->cpu : NULL;

	if (memory && memory->limit)
		limits->memory = memory->limit > 0 ? (uint64_t)memory->limit : 0;
	if (cpu && cpu->quota)
		limits->cpu_quota = cpu->quota > 0 ? cpu->quota : 0;
	if (cpu && cpu->period)
		limits->cpu_period = cpu->period;
}

/* ── The size ── */

/* In the pod's own period. */
static int64_t quota_in(const struct vm_limits *limits, uint64_t period)
{
	double share = limits->cpu_period ? (double)limits->cpu_quota / (double)limits->cpu_period : 0;

	return (int64_t)(share * (double)period);
}

/* A container that has no limit, or had none, does not count: then the pod has none. */
static int find_size(const struct vm *vm, const struct vm_container *container, struct update *update, struct error *err)
{
	const struct vm_limits *before = &container->limits, *after = &update->limits;

	update->pod = vm->sandbox.limits;
	if (update->pod.memory && before->memory && after->memory) {
		uint64_t others = update->pod.memory > before->memory ? update->pod.memory - before->memory : 0;

		if (__builtin_add_overflow(others, after->memory, &update->pod.memory))
			return error_set(err, ERANGE, "a memory limit of %llu bytes is more than there can be",
					 (unsigned long long)after->memory);
	}
	if (update->pod.cpu_quota > 0 && before->cpu_quota && after->cpu_quota)
		update->pod.cpu_quota += quota_in(after, update->pod.cpu_period) - quota_in(before, update->pod.cpu_period);
	int r = vm_size_of(vm->settings, &update->pod, &update->size, err);
	if (r == 0 && update->size.cpus > vm->size.cpus_maximum)
		return error_set(err, EOPNOTSUPP,
				 "%u CPUs are more than the %u that this VM can have: a higher sandbox.vm.cpus.maximum counts for VMs "
				 "that start then",
				 update->size.cpus, vm->size.cpus_maximum);
	return r;
}

/* ── The steps ── */

static void end(struct update *update, const struct error *err)
{
	struct op *op = update->op;

	if (!err) {
		update->container->limits = update->limits;
		op->vm->sandbox.limits = update->pod;
		if (op->vm->size.memory_mib != update->size.memory_mib)
			op->vm->given_mib = update->size.memory_mib;
		op->vm->size.memory_mib = update->size.memory_mib;
		if (update->size.cpus > op->vm->size.cpus)
			op->vm->size.cpus = update->size.cpus;
	}
	update->container->updating = false;
	plan_resources_clear(&update->resources);
	free(update);
	op_end_later(op, err);
}

/* What the guest gives back late or never is no reason against a limit that holds. */
static void on_shrunk(void *context, const struct error *err)
{
	end(context, NULL);
}

static void on_cpus(struct agent_call *call, const struct error *err, const void *answer)
{
	end(((struct op *)call->context)->update, err);
}

static void on_updated(struct agent_call *call, const struct error *err, const void *answer)
{
	struct op *op = call->context;
	struct update *update = op->update;
	Agent__OnlineCPUMemRequest request = AGENT__ONLINE_CPUMEM_REQUEST__INIT;

	if (err || op->vm->state != VM_RUNS) {
		end(update, err);
	} else if (update->size.memory_mib < op->vm->size.memory_mib) {
		vmm_resize(op->vm->vmm, update->size.memory_mib, on_shrunk, update);
	} else if (update->size.cpus > op->vm->size.cpus) {
		request.nb_cpus = update->size.cpus;
		request.cpu_only = true;
		agent_call(op->vm->agent, call, AGENT_ONLINE_CPU_MEM, &request, on_cpus);
	} else {
		end(update, NULL);
	}
}

static void ask(struct update *update)
{
	Agent__UpdateContainerRequest request = AGENT__UPDATE_CONTAINER_REQUEST__INIT;

	request.container_id = update->container->id;
	request.resources = update->resources.message;
	agent_call(update->op->vm->agent, &update->op->call, AGENT_UPDATE_CONTAINER, &request, on_updated);
}

static void on_grown(void *context, const struct error *err)
{
	struct update *update = context;

	if (err)
		end(update, err);
	else if (update->op->vm->state == VM_RUNS)
		ask(update);
	else
		end(update, &update->op->vm->why);
}

/* ── vm_update ── */

static int begin(struct vm *vm, const char *id, struct slice json, struct update *update, struct error *err)
{
	int r = vm_find_in_guest(vm, id, &update->container, err);

	if (r == 0)
		r = plan_read_resources(json, &update->resources, err);
	if (r == 0 && (update->container->updating || update->container->removing))
		r = error_set(err, EBUSY, "container %s is being %s", id, update->container->updating ? "updated" : "removed");
	if (r < 0)
		return r;
	r = cpus_take(update->container, update->resources.cpus, err);
	if (r < 0)
		return r;
	update->limits = update->container->limits;
	limits_take(&update->limits, update->resources.message);
	return find_size(vm, update->container, update, err);
}

void vm_update(struct vm *vm, const char *id, struct slice resources_json, vm_done *done, void *context)
{
	struct update *update = calloc(1, sizeof(*update));
	struct op *op = op_new(vm, done, context);
	struct error err;

	int r = update && op ? begin(vm, id, resources_json, update, &err) : error_nomem(&err);
	if (r < 0 || !update->container->in_guest) {
		if (update)
			plan_resources_clear(&update->resources);
		free(update);
		if (op)
			op_end_later(op, r < 0 ? &err : NULL);
		return;
	}
	update->op = op;
	op->update = update;
	update->container->updating = true;
	if (update->size.memory_mib > vm->size.memory_mib)
		vmm_resize(vm->vmm, update->size.memory_mib, on_grown, update);
	else
		ask(update);
}
