// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_VM_QEMU_SIZE_H
#define HOLDFAST_VM_QEMU_SIZE_H

#include "kata-shim/vm/qemu/settings.h"

/* A pod's limits: the sum of its containers', as containerd writes it to the sandbox's annotations. */
struct vm_limits {
	uint64_t memory;   /* bytes; 0: none */
	int64_t cpu_quota; /* microseconds in each period; 0 or less: none */
	uint64_t cpu_period;
};

/* Of a VM. It starts with the first of both and can have up to the second while it runs. */
struct vm_size {
	uint32_t memory_mib, memory_maximum_mib;
	uint32_t cpus, cpus_maximum;
};

/* Pure. ERANGE: a limit that no VM of this QEMU can have. */
int vm_size_of(const struct vm_settings *settings, const struct vm_limits *limits, struct vm_size *ret, struct error *err) must_check;

#endif
