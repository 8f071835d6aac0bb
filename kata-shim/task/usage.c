// SPDX-License-Identifier: Apache-2.0
/*
 * memory.stat has other names in cgroup v1, where those with total_ are of the whole tree below and stand behind the others. The agent
 * passes them on as they are.
 */
#include "kata-shim/task/usage.h"

#include <string.h>

#include "common/base/array.h"
#include "common/proto/message.h"
#include "kata-shim/task/metrics.pb-c.h"

#define NS_PER_US 1000

/* A number of memory.stat, and where it belongs. */
struct name_row {
	const char *name;
	size_t offset;
};

static const struct name_row memory_names[] = {
	{ "rss", offsetof(struct usage, anonymous) },
	{ "anon", offsetof(struct usage, anonymous) },
	{ "total_rss", offsetof(struct usage, anonymous) },
	{ "cache", offsetof(struct usage, file) },
	{ "file", offsetof(struct usage, file) },
	{ "total_cache", offsetof(struct usage, file) },
	{ "mapped_file", offsetof(struct usage, file_mapped) },
	{ "file_mapped", offsetof(struct usage, file_mapped) },
	{ "total_mapped_file", offsetof(struct usage, file_mapped) },
	{ "shmem", offsetof(struct usage, shared) },
	{ "total_shmem", offsetof(struct usage, shared) },
	{ "inactive_anon", offsetof(struct usage, inactive_anonymous) },
	{ "total_inactive_anon", offsetof(struct usage, inactive_anonymous) },
	{ "active_anon", offsetof(struct usage, active_anonymous) },
	{ "total_active_anon", offsetof(struct usage, active_anonymous) },
	{ "inactive_file", offsetof(struct usage, inactive_file) },
	{ "total_inactive_file", offsetof(struct usage, inactive_file) },
	{ "active_file", offsetof(struct usage, active_file) },
	{ "total_active_file", offsetof(struct usage, active_file) },
	{ "kernel_stack", offsetof(struct usage, kernel_stack) },
	{ "slab", offsetof(struct usage, slab) },
	{ "pgfault", offsetof(struct usage, faults) },
	{ "total_pgfault", offsetof(struct usage, faults) },
	{ "pgmajfault", offsetof(struct usage, major_faults) },
	{ "total_pgmajfault", offsetof(struct usage, major_faults) },
};

/* What is not in the table is of no interest. */
static void take_number(struct usage *usage, const char *name, uint64_t value)
{
	for (size_t i = 0; i < ELEMENTS_OF(memory_names); i++) {
		if (strcmp(name, memory_names[i].name) == 0)
			*(uint64_t *)((char *)usage + memory_names[i].offset) = value;
	}
}

/* ── The agent's ── */

static void take_cpu(struct usage *usage, const Agent__CpuStats *cpu)
{
	if (cpu->cpu_usage) {
		usage->cpu_ns = cpu->cpu_usage->total_usage;
		usage->cpu_user_ns = cpu->cpu_usage->usage_in_usermode;
		usage->cpu_system_ns = cpu->cpu_usage->usage_in_kernelmode;
	}
	if (cpu->throttling_data) {
		usage->periods = cpu->throttling_data->periods;
		usage->throttled_periods = cpu->throttling_data->throttled_periods;
		usage->throttled_ns = cpu->throttling_data->throttled_time;
	}
}

static void take_memory(struct usage *usage, const Agent__MemoryStats *memory)
{
	for (size_t i = 0; i < memory->n_stats; i++)
		take_number(usage, memory->stats[i]->key, memory->stats[i]->value);
	if (memory->usage) {
		usage->memory = memory->usage->usage;
		usage->memory_limit = memory->usage->limit;
		usage->memory_max = memory->usage->max_usage;
		usage->memory_failures = memory->usage->failcnt;
	}
	if (memory->swap_usage) {
		usage->swap = memory->swap_usage->usage;
		usage->swap_limit = memory->swap_usage->limit;
	}
	if (memory->kernel_usage)
		usage->kernel = memory->kernel_usage->usage;
}

struct usage usage_of_agent(const Agent__StatsContainerResponse *stats)
{
	const Agent__CgroupStats *cgroup = stats->cgroup_stats;
	struct usage usage = {};

	if (cgroup && cgroup->cpu_stats)
		take_cpu(&usage, cgroup->cpu_stats);
	if (cgroup && cgroup->memory_stats)
		take_memory(&usage, cgroup->memory_stats);
	if (cgroup && cgroup->pids_stats) {
		usage.processes = cgroup->pids_stats->current;
		usage.processes_limit = cgroup->pids_stats->limit;
	}
	return usage;
}

/* ── containerd's ── */

static void print_v1(const struct usage *usage, struct buf *out)
{
	Metrics__Pids pids = METRICS__PIDS__INIT;
	Metrics__V1CpuUsage cpu_usage = METRICS__V1_CPU_USAGE__INIT;
	Metrics__V1Throttle throttle = METRICS__V1_THROTTLE__INIT;
	Metrics__V1Cpu cpu = METRICS__V1_CPU__INIT;
	Metrics__V1MemoryEntry used = METRICS__V1_MEMORY_ENTRY__INIT, swap = METRICS__V1_MEMORY_ENTRY__INIT,
			       kernel = METRICS__V1_MEMORY_ENTRY__INIT;
	Metrics__V1Memory memory = METRICS__V1_MEMORY__INIT;
	Metrics__V1OomControl oom = METRICS__V1_OOM_CONTROL__INIT;
	Metrics__V1 metrics = METRICS__V1__INIT;

	pids.current = usage->processes;
	pids.limit = usage->processes_limit;
	cpu_usage.total = usage->cpu_ns;
	cpu_usage.kernel = usage->cpu_system_ns;
	cpu_usage.user = usage->cpu_user_ns;
	throttle.periods = usage->periods;
	throttle.throttled_periods = usage->throttled_periods;
	throttle.throttled_time = usage->throttled_ns;
	cpu.usage = &cpu_usage;
	cpu.throttling = &throttle;
	used.usage = usage->memory;
	used.limit = usage->memory_limit;
	used.max = usage->memory_max;
	used.failcnt = usage->memory_failures;
	swap.usage = usage->swap;
	swap.limit = usage->swap_limit;
	kernel.usage = usage->kernel;
	memory.usage = &used;
	memory.swap = &swap;
	memory.kernel = &kernel;
	memory.cache = memory.total_cache = usage->file;
	memory.rss = memory.total_rss = usage->anonymous;
	memory.mapped_file = memory.total_mapped_file = usage->file_mapped;
	memory.inactive_file = memory.total_inactive_file = usage->inactive_file;
	memory.active_file = memory.total_active_file = usage->active_file;
	memory.total_pg_fault = usage->faults;
	memory.total_pg_maj_fault = usage->major_faults;
	metrics.pids = &pids;
	metrics.cpu = &cpu;
	metrics.memory = &memory;
	oom.oom_kill = usage->oom_kills;
	metrics.memory_oom_control = &oom;
	message_write(&metrics.base, out);
}

static void print_v2(const struct usage *usage, struct buf *out)
{
	Metrics__Pids pids = METRICS__PIDS__INIT;
	Metrics__V2Cpu cpu = METRICS__V2_CPU__INIT;
	Metrics__V2Memory memory = METRICS__V2_MEMORY__INIT;
	Metrics__V2MemoryEvents events = METRICS__V2_MEMORY_EVENTS__INIT;
	Metrics__V2 metrics = METRICS__V2__INIT;

	pids.current = usage->processes;
	pids.limit = usage->processes_limit;
	cpu.usage_usec = usage->cpu_ns / NS_PER_US;
	cpu.user_usec = usage->cpu_user_ns / NS_PER_US;
	cpu.system_usec = usage->cpu_system_ns / NS_PER_US;
	cpu.nr_periods = usage->periods;
	cpu.nr_throttled = usage->throttled_periods;
	cpu.throttled_usec = usage->throttled_ns / NS_PER_US;
	memory.anon = usage->anonymous;
	memory.file = usage->file;
	memory.file_mapped = usage->file_mapped;
	memory.shmem = usage->shared;
	memory.kernel_stack = usage->kernel_stack;
	memory.slab = usage->slab;
	memory.inactive_anon = usage->inactive_anonymous;
	memory.active_anon = usage->active_anonymous;
	memory.inactive_file = usage->inactive_file;
	memory.active_file = usage->active_file;
	memory.pgfault = usage->faults;
	memory.pgmajfault = usage->major_faults;
	memory.usage = usage->memory;
	memory.usage_limit = usage->memory_limit;
	memory.max_usage = usage->memory_max;
	memory.swap_usage = usage->swap;
	memory.swap_limit = usage->swap_limit;
	metrics.pids = &pids;
	metrics.cpu = &cpu;
	metrics.memory = &memory;
	events.oom_kill = usage->oom_kills;
	metrics.memory_events = &events;
	message_write(&metrics.base, out);
}

const char *usage_print(const struct usage *usage, bool v2, struct buf *out)
{
	if (v2)
		print_v2(usage, out);
	else
		print_v1(usage, out);
	return v2 ? "io.containerd.cgroups.v2.Metrics" : "io.containerd.cgroups.v1.Metrics";
}
