// SPDX-License-Identifier: Apache-2.0
/* What a container uses, in the numbers that CRI reads of it. */
#include "tests/unit/common/cmocka_all.h"

#include "kata-shim/task/metrics.pb-c.h"
#include "kata-shim/task/usage.h"
#include "common/proto/message.h"

static Agent__NumberEntry entries[8];
static Agent__NumberEntry *list[8];

static size_t add(size_t n, const char *key, uint64_t value)
{
	entries[n] = (Agent__NumberEntry)AGENT__NUMBER_ENTRY__INIT;
	entries[n].key = (char *)key;
	entries[n].value = value;
	list[n] = &entries[n];
	return n + 1;
}

static struct usage usage(const char *anonymous, const char *inactive)
{
	Agent__StatsContainerResponse stats = AGENT__STATS_CONTAINER_RESPONSE__INIT;
	Agent__CgroupStats cgroup = AGENT__CGROUP_STATS__INIT;
	Agent__CpuStats cpu = AGENT__CPU_STATS__INIT;
	Agent__CpuUsage cpu_usage = AGENT__CPU_USAGE__INIT;
	Agent__MemoryStats memory = AGENT__MEMORY_STATS__INIT;
	Agent__MemoryData data = AGENT__MEMORY_DATA__INIT;
	Agent__PidsStats pids = AGENT__PIDS_STATS__INIT;

	cpu_usage.total_usage = 5000000;
	cpu_usage.usage_in_usermode = 3000000;
	cpu.cpu_usage = &cpu_usage;
	data.usage = 1000;
	data.limit = 4096;
	memory.usage = &data;
	memory.n_stats = add(add(add(0, "pgfault", 12), inactive, 300), anonymous, 600);
	memory.stats = list;
	pids.current = 3;
	cgroup.cpu_stats = &cpu;
	cgroup.memory_stats = &memory;
	cgroup.pids_stats = &pids;
	stats.cgroup_stats = &cgroup;
	return usage_of_agent(&stats);
}

static void test_a_guest_with_either_version_of_cgroups_is_understood(void **state)
{
	const struct usage v1 = usage("total_rss", "total_inactive_file"), v2 = usage("anon", "inactive_file");

	assert_memory_equal(&v1, &v2, sizeof(v1));
	assert_int_equal(v1.anonymous, 600);
	assert_int_equal(v1.inactive_file, 300);
	assert_int_equal(v1.memory, 1000);
}

static void test_a_host_with_cgroup_v2_gets_microseconds_and_its_names(void **state)
{
	const struct usage it = usage("anon", "inactive_file");
	_cleanup_(buf_free) struct buf out = BUF_MAX(4096);
	_cleanup_(message_freep) Metrics__V2 *metrics = NULL;
	struct error err;

	assert_string_equal(usage_print(&it, true, &out), "io.containerd.cgroups.v2.Metrics");
	assert_int_equal(message_read(&metrics__v2__descriptor, buf_view(&out), &metrics, &err), 0);
	assert_int_equal(metrics->cpu->usage_usec, 5000);
	assert_int_equal(metrics->cpu->user_usec, 3000);
	assert_int_equal(metrics->memory->usage, 1000);
	assert_int_equal(metrics->memory->usage_limit, 4096);
	assert_int_equal(metrics->memory->inactive_file, 300);
	assert_int_equal(metrics->memory->anon, 600);
	assert_int_equal(metrics->memory->pgfault, 12);
	assert_int_equal(metrics->pids->current, 3);
}

static void test_a_host_with_cgroup_v1_gets_nanoseconds_and_the_trees_numbers(void **state)
{
	const struct usage it = usage("anon", "inactive_file");
	_cleanup_(buf_free) struct buf out = BUF_MAX(4096);
	_cleanup_(message_freep) Metrics__V1 *metrics = NULL;
	struct error err;

	assert_string_equal(usage_print(&it, false, &out), "io.containerd.cgroups.v1.Metrics");
	assert_int_equal(message_read(&metrics__v1__descriptor, buf_view(&out), &metrics, &err), 0);
	assert_int_equal(metrics->cpu->usage->total, 5000000);
	assert_int_equal(metrics->memory->usage->usage, 1000);
	assert_int_equal(metrics->memory->usage->limit, 4096);
	assert_int_equal(metrics->memory->total_inactive_file, 300);
	assert_int_equal(metrics->memory->total_rss, 600);
	assert_int_equal(metrics->memory->total_pg_fault, 12);
	assert_int_equal(metrics->pids->current, 3);
}

static void test_an_agent_that_says_nothing_is_no_usage(void **state)
{
	const Agent__StatsContainerResponse none = AGENT__STATS_CONTAINER_RESPONSE__INIT;
	const struct usage it = usage_of_agent(&none), zero = {};

	assert_memory_equal(&it, &zero, sizeof(it));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_guest_with_either_version_of_cgroups_is_understood),
		cmocka_unit_test(test_a_host_with_cgroup_v2_gets_microseconds_and_its_names),
		cmocka_unit_test(test_a_host_with_cgroup_v1_gets_nanoseconds_and_the_trees_numbers),
		cmocka_unit_test(test_an_agent_that_says_nothing_is_no_usage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
