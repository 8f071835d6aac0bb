// SPDX-License-Identifier: Apache-2.0
/*
 * Memory is the pod's limit and what the guest itself takes, so that the guest's kernel runs out of it before the host's cgroup does: then
 * the guest kills a process, where the host would kill QEMU. CPUs are not more than the limit lets run at once: with more, the host would
 * stop one that holds a lock on which the others wait.
 *
 * What the host needs to keep the guest's memory is in the pod's cgroup, too, and grows with it: of each page that the guest has touched an
 * entry in the page tables of QEMU, virtiofsd and KVM (8 bytes each), and 9 bytes of the memfd's index, together 1/120. The RuntimeClass'
 * overhead is the same for all pods, and has room for that of 840 MiB. So a larger VM is smaller by what its memory costs: a guest fills
 * all that it has with files in the end, and the host would kill QEMU for it.
 */
#include "kata-shim/vm/qemu/size.h"

#include <errno.h>
#include <inttypes.h>

#define MIB (UINT64_C(1) << 20)
#define MEMORY_MAX_MIB (UINT32_C(1) << 22) /* 4 TiB, what 42 bits of physical address give */
#define CPUS_MAX 255                       /* without an interrupt remapping unit (QEMU, hw/i386/x86.c) */

#define COST_FROM_MIB 768
#define COST 112 /* 1/112 of what is above, to be sure */

static uint32_t at_least(uint64_t value, int64_t minimum)
{
	return value > (uint64_t)minimum ? (uint32_t)value : (uint32_t)minimum;
}

static int memory_of(const struct vm_settings *settings, uint64_t limit, uint32_t *ret, struct error *err)
{
	const uint64_t limit_mib = limit / MIB + (limit % MIB != 0);
	const uint64_t mib = (uint64_t)settings->memory_base_mib + (limit ? limit_mib : (uint64_t)settings->memory_unlimited_mib);

	if (mib > MEMORY_MAX_MIB)
		return error_set(err, ERANGE,
				 "the pod's memory limit of %" PRIu64 " MiB is more than a VM can have: at most %" PRIu64 " MiB", limit_mib,
				 MEMORY_MAX_MIB - (uint64_t)settings->memory_base_mib);
	*ret = (uint32_t)(mib - (limit && mib > COST_FROM_MIB ? (mib - COST_FROM_MIB + COST - 1) / COST : 0));
	return 0;
}

static int cpus_of(const struct vm_settings *settings, const struct vm_limits *limits, uint32_t *ret, struct error *err)
{
	const uint64_t quota = limits->cpu_quota > 0 ? (uint64_t)limits->cpu_quota : 0;
	const uint64_t period = limits->cpu_period;
	const uint64_t cpus = quota && period ? quota / period + (quota % period != 0) : 0;

	if (cpus > CPUS_MAX)
		return error_set(err, ERANGE, "the pod's limit of %" PRIu64 " CPUs is more than a VM can have: at most %d", cpus, CPUS_MAX);
	*ret = at_least(cpus, settings->cpus_base);
	return 0;
}

int vm_size_of(const struct vm_settings *settings, const struct vm_limits *limits, struct vm_size *ret, struct error *err)
{
	struct vm_size size;

	int r = memory_of(settings, limits->memory, &size.memory_mib, err);
	if (r == 0)
		r = cpus_of(settings, limits, &size.cpus, err);
	if (r < 0)
		return r;
	size.memory_maximum_mib = at_least(size.memory_mib, settings->memory_maximum_mib);
	size.cpus_maximum = at_least(size.cpus, settings->cpus_maximum);
	*ret = size;
	return 0;
}

/* ── Within what is left ── */

#define SCARCE_MIB 16
#define WANTED_MIB 32
#define PLENTY_MIB 64
#define STEP_MIB 16     /* that it gets back at a time */
#define TAKEN_AT_MOST 4 /* 1/4 of its size */

uint32_t vm_size_within(uint32_t size, uint32_t given, uint64_t room)
{
	const uint32_t least = size - size / TAKEN_AT_MOST;
	const uint64_t mib = room / MIB;

	if (mib < SCARCE_MIB && given > least) {
		const uint32_t missing = WANTED_MIB - (uint32_t)mib;
		return given - least > missing ? given - missing : least;
	}
	if (mib >= PLENTY_MIB && given < size)
		return size - given > STEP_MIB ? given + STEP_MIB : size;
	return given;
}
