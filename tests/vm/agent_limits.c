// SPDX-License-Identifier: Apache-2.0
/* Limits, what is told when they are reached, and what is used. They need cgroup v2 with its controllers: a guest, or a machine that has
 * them. */
#include <signal.h>
#include <stdio.h>

#include "common/base/array.h"
#include "tests/vm/agent_world.h"

#define MEBIBYTE (1024 * 1024)

static void limit_all(struct sample *sample, int64_t memory, int64_t quota, int64_t pids)
{
	sample->linux_.resources = &sample->resources;
	sample->resources.memory = &sample->memory;
	sample->resources.cpu = &sample->cpu;
	sample->resources.pids = &sample->pids;
	sample->memory.limit = sample->memory.swap = memory;
	sample->cpu.quota = quota;
	sample->cpu.period = 100000;
	sample->cpu.shares = 512;
	sample->pids.limit = pids;
}

#define PRINT_LIMITS "cd /sys/fs/cgroup; cat memory.max memory.swap.max cpu.max pids.max"

static void test_limits_are_set(void **state)
{
	struct sample sample;

	agent_needs_ours("does not limit processes, and takes memory.swap for the limit of swap alone");
	agent_needs_controllers();
	sample_init(&sample, "web", PRINT_LIMITS);
	limit_all(&sample, 64 * MEBIBYTE, 50000, 30);
	sample_expect_output(&sample, "67108864\n0\n50000 100000\n30\n", 0);
}

static void test_without_limits_there_are_none(void **state)
{
	agent_needs_controllers();
	agent_expect_output("web", PRINT_LIMITS, "max\nmax\nmax 100000\nmax\n", 0);
}

static void test_a_process_may_open_as_many_files_as_on_a_node(void **state)
{
	agent_needs_ours("hands its own limits on");
	agent_needs_controllers();
	if (agent_pid())
		skip(); /* this machine's limits are its own */
	agent_expect_output("web", "ulimit -n; ulimit -H -n; ulimit -u", "1048576\n1048576\nunlimited\n", 0);
}

static void update(struct sample *sample, const char *id)
{
	Agent__UpdateContainerRequest request = AGENT__UPDATE_CONTAINER_REQUEST__INIT;

	request.container_id = (char *)id;
	request.resources = &sample->resources;
	agent_do("UpdateContainer", &request.base);
}

static void test_limits_change_while_it_runs(void **state)
{
	struct sample sample;

	agent_needs_ours("as when they are set");
	agent_needs_controllers();
	sample_init(&sample, "web", "while read x; do " PRINT_LIMITS "; done");
	limit_all(&sample, 64 * MEBIBYTE, 50000, 30);
	agent_expect(sample_create(&sample), RPC_OK, NULL);
	agent_start("web");
	agent_write("web", "web", "1\n");
	agent_read_until("web", "web", "67108864\n0\n50000 100000\n30\n");
	limit_all(&sample, 96 * MEBIBYTE, 150000, 40);
	update(&sample, "web");
	agent_write("web", "web", "2\n");
	agent_read_until("web", "web", "100663296\n0\n150000 100000\n40\n");
	limit_all(&sample, -1, -1, -1);
	update(&sample, "web");
	agent_write("web", "web", "3\n");
	agent_read_until("web", "web", "max\nmax\nmax 100000\nmax\n");
	agent_remove("web");
}

static void test_an_update_without_resources_is_refused(void **state)
{
	Agent__UpdateContainerRequest request = AGENT__UPDATE_CONTAINER_REQUEST__INIT;

	agent_needs_ours("takes it for no change");
	agent_run("web", "read x");
	request.container_id = (char *)"web";
	agent_refuses("UpdateContainer", &request.base, RPC_INVALID_ARGUMENT, "resources are missing");
	agent_remove("web");
}

/* ── Out of memory ── */

#define EAT "x=$(head -c 60000000 /dev/zero | tr '\\0' x)"

static void create_hungry(const char *id, const char *script)
{
	struct sample sample;

	sample_init(&sample, id, script);
	limit_all(&sample, 24 * MEBIBYTE, 0, 0);
	agent_expect(sample_create(&sample), RPC_OK, NULL);
	agent_start(id);
}

static struct answer *begin_oom(void)
{
	Agent__Empty empty = AGENT__EMPTY__INIT;

	return agent_begin("GetOOMEvent", &empty.base);
}

static void expect_oom(const struct answer *answer, const char *id)
{
	_cleanup_(message_freep) Agent__OOMEvent *event = NULL;
	struct error err;

	agent_expect(answer, RPC_OK, NULL);
	assert_int_equal(message_read(&agent__oomevent__descriptor, buf_view(&answer->bytes), &event, &err), 0);
	assert_string_equal(event->container_id, id);
}

static void test_who_is_killed_for_its_memory_is_told_of_before_its_end(void **state)
{
	agent_needs_controllers();
	struct answer *event = begin_oom();
	create_hungry("hungry", "read go; " EAT);
	struct answer *wait = agent_begin_wait("hungry", "hungry");
	assert_false(agent_ends_within(event, 300));
	agent_write("hungry", "hungry", "go\n");
	assert_true(agent_ends_within(wait, AGENT_TIME_MS));
	assert_true(event->ended);
	expect_oom(event, "hungry");
	assert_int_equal(agent_status_of(wait), 128 + SIGKILL);
	agent_remove("hungry");
}

static void test_an_event_is_kept_for_who_asks_later_and_told_once(void **state)
{
	agent_needs_ours("tells the first of a container only");
	agent_needs_controllers();
	create_hungry("hungry", "(" EAT "); echo survived; read x");
	agent_read_until("hungry", "hungry", "survived");
	struct answer *event = begin_oom();
	assert_true(agent_ends_within(event, AGENT_TIME_MS));
	expect_oom(event, "hungry");
	event = begin_oom();
	assert_false(agent_ends_within(event, 500));
	agent_exec("hungry", "again", EAT);
	assert_true(agent_ends_within(event, AGENT_TIME_MS));
	expect_oom(event, "hungry");
	assert_int_equal(agent_wait("hungry", "again"), 128 + SIGKILL);
	agent_remove("hungry");
}

static void test_who_is_killed_otherwise_is_not_told_of(void **state)
{
	agent_needs_controllers();
	struct answer *event = begin_oom();
	create_hungry("web", "read x");
	agent_signal("web", "", SIGKILL);
	assert_int_equal(agent_wait("web", "web"), 128 + SIGKILL);
	assert_false(agent_ends_within(event, 500));
	agent_remove("web");
	create_hungry("hungry", EAT); /* the one that asks is answered by somebody */
	assert_true(agent_ends_within(event, AGENT_TIME_MS));
	agent_remove("hungry");
}

static void test_no_more_processes_than_allowed(void **state)
{
	struct sample sample;

	agent_needs_ours("does not limit them");
	agent_needs_controllers();
	sample_init(&sample, "web", "for i in 1 2 3 4 5 6 7 8 9; do sleep 100 & done; echo unreachable");
	limit_all(&sample, 0, 0, 5);
	agent_expect(sample_create(&sample), RPC_OK, NULL);
	agent_start("web");
	assert_string_equal(agent_read_all("ReadStdout", "web", "web"), "");
	assert_non_null(strstr(agent_read_all("ReadStderr", "web", "web"), "can't fork"));
	agent_remove("web");
}

/* ── What is used ── */

static Agent__StatsContainerResponse *stats_of(const char *id)
{
	Agent__StatsContainerRequest request = AGENT__STATS_CONTAINER_REQUEST__INIT;
	Agent__StatsContainerResponse *response = NULL;
	struct error err;

	request.container_id = (char *)id;
	const struct answer *answer = agent_do("StatsContainer", &request.base);
	assert_int_equal(message_read(&agent__stats_container_response__descriptor, buf_view(&answer->bytes), &response, &err), 0);
	assert_non_null(response->cgroup_stats);
	assert_non_null(response->cgroup_stats->cpu_stats->cpu_usage);
	assert_non_null(response->cgroup_stats->memory_stats);
	return response;
}

static void test_time_that_is_used_is_told(void **state)
{
	agent_run("web", "read x; i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; echo done; read x");
	_cleanup_(message_freep) Agent__StatsContainerResponse *before = stats_of("web");
	agent_write("web", "web", "go\n");
	agent_read_until("web", "web", "done");
	_cleanup_(message_freep) Agent__StatsContainerResponse *after = stats_of("web");
	const Agent__CpuUsage *early = before->cgroup_stats->cpu_stats->cpu_usage, *late = after->cgroup_stats->cpu_stats->cpu_usage;
	assert_true(late->total_usage > early->total_usage + 10 * 1000 * 1000); /* 10 ms */
	assert_true(late->total_usage < 600ul * 1000 * 1000 * 1000);
	assert_true(late->usage_in_usermode + late->usage_in_kernelmode <= late->total_usage + 1000 * 1000);
	agent_remove("web");
}

static uint64_t entry_of(const Agent__MemoryStats *memory, const char *key)
{
	for (size_t i = 0; i < memory->n_stats; i++) {
		if (strcmp(memory->stats[i]->key, key) == 0)
			return memory->stats[i]->value;
	}
	fail_msg("memory.stat has no \"%s\"", key);
	return 0;
}

static void test_memory_and_processes_that_are_used_are_told(void **state)
{
	struct sample sample;

	agent_needs_controllers();
	sample_init(&sample, "web", "x=$(head -c 5000000 /dev/zero | tr '\\0' x); sleep 1000 & echo up; wait");
	limit_all(&sample, 64 * MEBIBYTE, 0, 30);
	agent_expect(sample_create(&sample), RPC_OK, NULL);
	agent_start("web");
	agent_read_until("web", "web", "up");
	_cleanup_(message_freep) Agent__StatsContainerResponse *stats = stats_of("web");
	const Agent__MemoryStats *memory = stats->cgroup_stats->memory_stats;
	assert_int_equal(memory->usage->limit, 64 * MEBIBYTE);
	assert_in_range(memory->usage->usage, 5000000, 64 * MEBIBYTE);
	assert_true(memory->usage->max_usage >= memory->usage->usage);
	assert_in_range(entry_of(memory, "anon"), 5000000, memory->usage->usage);
	assert_int_equal(entry_of(memory, "file"), memory->cache);
	(void)entry_of(memory, "inactive_file");
	assert_int_equal(stats->cgroup_stats->pids_stats->current, 2);
	assert_int_equal(stats->cgroup_stats->pids_stats->limit, agent_is_ours() ? 30 : 0); /* which Kata's does not set */
	agent_remove("web");
}

static void test_what_has_no_limit_is_told_as_the_largest_number(void **state)
{
	agent_needs_ours("says another number");
	agent_needs_controllers();
	agent_run("web", "read x");
	_cleanup_(message_freep) Agent__StatsContainerResponse *stats = stats_of("web");
	assert_true(stats->cgroup_stats->memory_stats->usage->limit == UINT64_MAX);
	agent_remove("web");
}

/* ── Devices ── */

static void test_a_device_that_is_not_its_own_cannot_be_opened(void **state)
{
	struct sample sample;

	agent_needs_controllers(); /* a guest: elsewhere crun may not be allowed to say so */
	if (agent_pid())
		skip();
	sample_init(&sample, "web", "mknod /dev/kmsg c 1 11 && echo made; head -c 1 </dev/kmsg; head -c 1 </dev/zero | wc -c");
	sample.caps[0] = (char *)"CAP_MKNOD";
	sample.capabilities.bounding = sample.capabilities.effective = sample.capabilities.permitted = sample.caps;
	sample.capabilities.n_bounding = sample.capabilities.n_effective = sample.capabilities.n_permitted = 1;
	sample_expect_output(&sample, "made\n1\n", 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		agent_test(test_limits_are_set),
		agent_test(test_without_limits_there_are_none),
		agent_test(test_a_process_may_open_as_many_files_as_on_a_node),
		agent_test(test_limits_change_while_it_runs),
		agent_test(test_an_update_without_resources_is_refused),
		agent_test(test_who_is_killed_for_its_memory_is_told_of_before_its_end),
		agent_test(test_an_event_is_kept_for_who_asks_later_and_told_once),
		agent_test(test_who_is_killed_otherwise_is_not_told_of),
		agent_test(test_no_more_processes_than_allowed),
		agent_test(test_time_that_is_used_is_told),
		agent_test(test_memory_and_processes_that_are_used_are_told),
		agent_test(test_what_has_no_limit_is_told_as_the_largest_number),
		agent_test(test_a_device_that_is_not_its_own_cannot_be_opened),
	};

	agent_choose_tests();
	return cmocka_run_group_tests(tests, agent_world_setup, agent_world_teardown);
}
