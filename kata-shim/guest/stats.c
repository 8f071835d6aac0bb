// SPDX-License-Identifier: Apache-2.0
/* A file that is not there is of a controller that is not there: then its numbers are 0. */
#include "kata-shim/guest/stats.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/array.h"
#include "common/base/file.h"
#include "kata-shim/guest/cgroup.h"
#include "kata-shim/guest/container.h"

#define NETWORK_FILE "/proc/net/dev"

/* Everything that an answer points to. */
struct stats {
	const char *id;
	struct buf memory_text, network_text;
	Agent__StatsContainerResponse answer;
	Agent__CgroupStats cgroup;
	Agent__CpuStats cpu;
	Agent__CpuUsage cpu_usage;
	Agent__ThrottlingData throttling;
	Agent__MemoryStats memory;
	Agent__MemoryData usage, swap, kernel;
	Agent__PidsStats pids;
	Agent__NumberEntry entries[STATS_ENTRIES_MAX], *entry_at[STATS_ENTRIES_MAX];
	Agent__NetworkStats networks[STATS_NETWORKS_MAX], *network_at[STATS_NETWORKS_MAX];
};

/* ── Text ── */

size_t stats_parse_entries(char *text, Agent__NumberEntry ret[static STATS_ENTRIES_MAX])
{
	size_t n = 0;

	for (char *rest = text, *line; n < STATS_ENTRIES_MAX && (line = strsep(&rest, "\n"));) {
		char *value = line, *key = strsep(&value, " ");
		uint64_t number;

		if (!value || !key[0] || !cgroup_number(slice_string(value), &number))
			continue;
		ret[n] = (Agent__NumberEntry)AGENT__NUMBER_ENTRY__INIT;
		ret[n].key = key;
		ret[n++].value = number;
	}
	return n;
}

/* "  eth0: bytes packets errs drop fifo frame compressed multicast  bytes packets errs drop …" */
static bool parse_network(char *line, Agent__NetworkStats *ret)
{
	char *colon = strchr(line, ':');
	Agent__NetworkStats one = AGENT__NETWORK_STATS__INIT;

	if (!colon)
		return false;
	*colon = 0;
	one.name = line + strspn(line, " ");
	if (sscanf(colon + 1,
		   "%" SCNu64 "%" SCNu64 "%" SCNu64 "%" SCNu64 "%*u%*u%*u%*u"
		   "%" SCNu64 "%" SCNu64 "%" SCNu64 "%" SCNu64,
		   &one.rx_bytes, &one.rx_packets, &one.rx_errors, &one.rx_dropped, &one.tx_bytes, &one.tx_packets, &one.tx_errors,
		   &one.tx_dropped) != 8)
		return false;
	*ret = one;
	return strcmp(one.name, "lo") != 0;
}

size_t stats_parse_networks(char *text, Agent__NetworkStats ret[static STATS_NETWORKS_MAX])
{
	size_t n = 0;

	for (char *rest = text, *line; n < STATS_NETWORKS_MAX && (line = strsep(&rest, "\n"));)
		n += parse_network(line, &ret[n]);
	return n;
}

/* ── Files ── */

static uint64_t read_number(const struct stats *stats, const char *file)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(64);
	struct error ignored;
	uint64_t number;

	return cgroup_read(stats->id, file, &text, &ignored) == 0 && cgroup_number(buf_view(&text), &number) ? number : 0;
}

/* Several keys of one file; each times `factor`. */
struct wanted {
	const char *key;
	uint64_t *to;
	uint64_t factor;
};

static void read_values(const struct stats *stats, const char *file, const struct wanted *wanted, size_t n)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(CGROUP_FILE_MAX);
	struct error ignored;
	uint64_t value;

	if (cgroup_read(stats->id, file, &text, &ignored) < 0)
		return;
	for (size_t i = 0; i < n; i++) {
		if (cgroup_value(buf_view(&text), wanted[i].key, &value))
			*wanted[i].to = value * wanted[i].factor;
	}
}

static void read_cpu(struct stats *stats)
{
	const struct wanted wanted[] = {
		{ "usage_usec", &stats->cpu_usage.total_usage, 1000 },
		{ "user_usec", &stats->cpu_usage.usage_in_usermode, 1000 },
		{ "system_usec", &stats->cpu_usage.usage_in_kernelmode, 1000 },
		{ "nr_periods", &stats->throttling.periods, 1 },
		{ "nr_throttled", &stats->throttling.throttled_periods, 1 },
		{ "throttled_usec", &stats->throttling.throttled_time, 1000 },
	};

	agent__cpu_stats__init(&stats->cpu);
	agent__cpu_usage__init(&stats->cpu_usage);
	agent__throttling_data__init(&stats->throttling);
	read_values(stats, "cpu.stat", wanted, ELEMENTS_OF(wanted));
	stats->cpu.cpu_usage = &stats->cpu_usage;
	stats->cpu.throttling_data = &stats->throttling;
}

static void read_memory_numbers(struct stats *stats)
{
	const struct wanted failures[] = { { "max", &stats->usage.failcnt, 1 } };
	const struct wanted swap_failures[] = { { "max", &stats->swap.failcnt, 1 } };

	stats->usage.usage = read_number(stats, "memory.current");
	stats->usage.max_usage = read_number(stats, "memory.peak");
	stats->usage.limit = read_number(stats, "memory.max");
	read_values(stats, "memory.events", failures, ELEMENTS_OF(failures));
	stats->swap.usage = read_number(stats, "memory.swap.current");
	stats->swap.limit = read_number(stats, "memory.swap.max");
	read_values(stats, "memory.swap.events", swap_failures, ELEMENTS_OF(swap_failures));
}

static void read_memory(struct stats *stats)
{
	struct error ignored;

	agent__memory_stats__init(&stats->memory);
	agent__memory_data__init(&stats->usage);
	agent__memory_data__init(&stats->swap);
	agent__memory_data__init(&stats->kernel);
	read_memory_numbers(stats);
	stats->memory.usage = &stats->usage;
	stats->memory.swap_usage = &stats->swap;
	stats->memory.kernel_usage = &stats->kernel;
	if (cgroup_read(stats->id, "memory.stat", &stats->memory_text, &ignored) < 0 || !stats->memory_text.p)
		return;
	(void)cgroup_value(buf_view(&stats->memory_text), "file", &stats->memory.cache);
	(void)cgroup_value(buf_view(&stats->memory_text), "kernel", &stats->kernel.usage);
	stats->memory.n_stats = stats_parse_entries((char *)stats->memory_text.p, stats->entries);
	stats->memory.stats = stats->entry_at;
	for (size_t i = 0; i < stats->memory.n_stats; i++)
		stats->entry_at[i] = &stats->entries[i];
}

static void read_networks(struct stats *stats)
{
	struct error ignored;

	if (file_read(NETWORK_FILE, &stats->network_text, &ignored) < 0 || !stats->network_text.p)
		return;
	stats->answer.n_network_stats = stats_parse_networks((char *)stats->network_text.p, stats->networks);
	stats->answer.network_stats = stats->network_at;
	for (size_t i = 0; i < stats->answer.n_network_stats; i++)
		stats->network_at[i] = &stats->networks[i];
}

static void read_all(struct stats *stats)
{
	agent__stats_container_response__init(&stats->answer);
	agent__cgroup_stats__init(&stats->cgroup);
	agent__pids_stats__init(&stats->pids);
	read_cpu(stats);
	read_memory(stats);
	stats->pids.current = read_number(stats, "pids.current");
	stats->pids.limit = read_number(stats, "pids.max");
	read_networks(stats);
	stats->cgroup.cpu_stats = &stats->cpu;
	stats->cgroup.memory_stats = &stats->memory;
	stats->cgroup.pids_stats = &stats->pids;
	stats->answer.cgroup_stats = &stats->cgroup;
}

static void stats_free(struct stats *stats)
{
	if (!stats)
		return;
	buf_free(&stats->memory_text);
	buf_free(&stats->network_text);
	free(stats);
}
DEFINE_CLEANUP(struct stats *, stats_free);

void stats_handle(void *context, struct ttrpc_call *call, struct slice request)
{
	struct agent *agent = context;
	_cleanup_(message_freep) Agent__StatsContainerRequest *message = NULL;
	_cleanup_(stats_freep) struct stats *stats = calloc(1, sizeof(*stats));
	struct container *container;
	struct error err;

	int r = stats ? message_read(&agent__stats_container_request__descriptor, request, &message, &err) : error_nomem(&err);
	if (r == 0)
		r = container_find(agent->containers, message->container_id, &container, &err);
	if (r < 0) {
		ttrpc_call_fail(call, &err);
		return;
	}
	stats->id = container->id;
	stats->memory_text = BUF_MAX(CGROUP_FILE_MAX);
	stats->network_text = BUF_MAX(CGROUP_FILE_MAX);
	read_all(stats);
	agent_answer(call, &stats->answer.base);
}
