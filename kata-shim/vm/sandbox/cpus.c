// SPDX-License-Identifier: Apache-2.0
/*
 * kubelet's CPU manager ("static") gives some containers CPUs of their own and keeps all others to the rest. A VM's threads are those of all
 * of its containers: so it is kept to the CPUs that any of them may run on, and to no others, which are somebody's alone.
 */
#include <stdlib.h>
#include <string.h>

#include "kata-shim/vm/sandbox/vm.h"

#define CPUS_MAX (64 * 1024)

/* The kernel takes lists that overlap. Nothing: one of them may run anywhere, or there are none. */
static void join(const struct vm *vm, struct buf *out)
{
	for (const struct vm_container *container = vm->containers; container; container = container->next) {
		if (vm_is_own(vm, container->id))
			continue;
		if (!container->cpus) {
			buf_clear(out);
			return;
		}
		buf_printf(out, "%s%s", out->n ? "," : "", container->cpus);
	}
}

static int keep_to(struct vm *vm, struct error *err)
{
	_cleanup_(buf_free) struct buf all = BUF_MAX(CPUS_MAX);

	join(vm, &all);
	int r = buf_check(&all, "the pod's list of CPUs", err);
	if (r < 0 || strcmp(buf_text(&all), vm->cpus ? vm->cpus : "") == 0)
		return r;
	char *copy = strdup(buf_text(&all));
	if (!copy)
		return error_nomem(err);
	r = cgroup_set_cpus(vm->host.cgroup, copy, err);
	free(r == 0 ? vm->cpus : copy);
	if (r == 0)
		vm->cpus = copy;
	return r;
}

int cpus_take(struct vm_container *container, const char *cpus, struct error *err)
{
	char *before = container->cpus;

	if (!*cpus)
		return keep_to(container->vm, err);
	container->cpus = strdup(cpus);
	int r = container->cpus ? keep_to(container->vm, err) : error_nomem(err);
	free(r == 0 ? before : container->cpus);
	if (r < 0)
		container->cpus = before;
	return r;
}

void cpus_follow(struct vm *vm)
{
	struct error ignored;

	if (vm->cpus && vm->state == VM_RUNS)
		(void)!keep_to(vm, &ignored);
}
