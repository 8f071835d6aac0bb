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

/*
 * How much of `size` a guest is to have that has `given`, when so many bytes more are left to its pod (UINT64_MAX: no limit); in MiB, but for
 * the bytes. Pure.
 */
uint32_t vm_size_within(uint32_t size, uint32_t given, uint64_t room);

#endif
