// SPDX-License-Identifier: Apache-2.0
/*
 * A guest fills what memory it has with files in the end; and what it costs the node besides grows with what it does: 1.5 KiB for each file
 * that it knows, which virtiofsd holds open and which the kernel counts as the pod's. Where both together reach the pod's limit, the kernel
 * ends QEMU, and all that is in there. So shortly before, the balloon takes what is missing from the guest, whose kernel gives up its
 * oldest files for it, and has them forgotten; in the worst case it ends a process, as at a limit of its own.
 */
#include "common/base/log.h"
#include "kata-shim/vm/sandbox/vm.h"

static void on_given(void *context, const struct error *err)
{
	((struct vm *)context)->is_giving = false;
}

/* Its size is about to be another: what we say of the old one would come after what the update has said of the new one, and count. */
static bool is_updated(const struct vm *vm)
{
	const struct vm_container *container = vm->containers;

	while (container && !container->updating)
		container = container->next;
	return container;
}

void room_look(struct vm *vm)
{
	struct error ignored;
	uint64_t room;

	if (vm->is_giving || is_updated(vm) || cgroup_read_room(vm->host.cgroup, &room, &ignored) < 0)
		return;
	const uint32_t wanted = vm_size_within(vm->size.memory_mib, vm->given_mib, room);
	if (wanted == vm->given_mib)
		return;
	if (vm->given_mib == vm->size.memory_mib)
		log_warn("the pod's memory limit is nearly reached: its VM has to give some back", "sandbox", vm->id, "memory_mib",
			 LOG_NUMBER(wanted));
	vm->given_mib = wanted;
	vm->is_giving = true;
	vmm_resize(vm->vmm, wanted, on_given, vm);
}
