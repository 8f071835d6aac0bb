// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TASK_USAGE_H
#define HOLDFAST_TASK_USAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/base/buf.h"
#include "common/proto/agent.pb-c.h"

/*
 * What a container uses, from whoever knows it: the guest's agent for a container, the host's cgroup for the VM itself. And as containerd
 * wants to be told: in the form of the host's cgroups, whatever those in the guest are.
 */
struct usage {
	uint64_t cpu_ns, cpu_user_ns, cpu_system_ns;
	uint64_t periods, throttled_periods, throttled_ns;
	uint64_t memory, memory_limit, memory_max; /* bytes; `memory_max` is the most it ever was */
	uint64_t memory_failures;
	uint64_t swap, swap_limit, kernel;
	uint64_t anonymous, file, file_mapped, shared;
	uint64_t inactive_anonymous, active_anonymous, inactive_file, active_file;
	uint64_t kernel_stack, slab;
	uint64_t faults, major_faults;
	uint64_t processes, processes_limit;
	uint64_t oom_kills;
};

struct usage usage_of_agent(const Agent__StatsContainerResponse *stats);

/* Of the cgroup in which `pid` is. ESRCH: it is no more. */
int usage_of_process(pid_t pid, struct usage *ret, struct error *err) must_check;

/* Whether the host has cgroup v2 only. */
bool usage_host_is_v2(void);

/* Appends the message, and returns its name for containerd. */
const char *usage_print(const struct usage *usage, bool v2, struct buf *out);

#endif
