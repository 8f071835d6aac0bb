// SPDX-License-Identifier: Apache-2.0
/*
 * What comes and goes a thousand times leaves nothing in the agent: no descriptor, no process, no file, no memory.
 * HOLDFAST_AGENT_CYCLES: how often; default 100.
 */
#include <ctype.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/array.h"
#include "tests/vm/agent_world.h"

struct cost {
	unsigned descriptors, processes, states, files, cgroups;
	uint64_t private_kb, rss_kb;
};

static unsigned count_entries(const char *folder, bool numbers)
{
	char path[64];
	unsigned n = 0;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)agent_pid(), folder);
	DIR *directory = opendir(path);
	if (!directory)
		return 0;
	for (struct dirent *entry; (entry = readdir(directory));)
		n += !numbers || isdigit((unsigned char)entry->d_name[0]);
	closedir(directory);
	return n;
}

static uint64_t rollup_kb(const char *key)
{
	char path[64], line[256];
	uint64_t kb = 0, value;

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)agent_pid());
	FILE *file = fopen(path, "re");
	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		if (strncmp(line, key, strlen(key)) == 0 && sscanf(line + strlen(key), "%*[^0-9]%lu", &value) == 1)
			kb += value;
	}
	fclose(file);
	return kb;
}

static struct cost measure(void)
{
	return (struct cost){
		.descriptors = count_entries("fd", true),
		.processes = count_entries("root/proc", true),
		.states = count_entries("root/run/holdfast/crun", false),
		.files = count_entries("root/run/holdfast", false),
		.cgroups = count_entries("root/sys/fs/cgroup", false),
		.private_kb = rollup_kb("Private_"),
		.rss_kb = rollup_kb("Rss"),
	};
}

/* What a sanitizer sets aside is no memory of the agent's. */
#ifdef __SANITIZE_ADDRESS__
static const bool memory_counts = false;
#else
static const bool memory_counts = true;
#endif

static void expect_same(const struct cost *before, const struct cost *after)
{
	print_message("# private %lu → %lu KiB, resident %lu KiB\n", before->private_kb, after->private_kb, after->rss_kb);
	assert_int_equal(after->descriptors, before->descriptors);
	assert_int_equal(after->processes, before->processes);
	assert_int_equal(after->states, before->states);
	assert_int_equal(after->files, before->files);
	assert_int_equal(after->cgroups, before->cgroups);
	assert_true(!memory_counts || after->private_kb <= before->private_kb + 64);
}

static int cycles(void)
{
	const char *told = getenv("HOLDFAST_AGENT_CYCLES");

	return told ? atoi(told) : 100;
}

static struct cost go_round(void (*round)(int i), int n)
{
	for (int i = 0; i < n; i++)
		round(i);
	agent_ends_within(NULL, 2500); /* the grace of the last */
	return measure();
}

/* The first rounds fill what is kept. */
static void repeat(void (*round)(int i))
{
	if (!agent_pid())
		skip();
	const struct cost before = go_round(round, 30), after = go_round(round, cycles());
	expect_same(&before, &after);
}

static void round_of_exec(int i)
{
	agent_exec("web", "exec", "echo hello; echo there >&2; exit 3");
	assert_string_equal(agent_read_all("ReadStdout", "web", "exec"), "hello\n");
	assert_string_equal(agent_read_all("ReadStderr", "web", "exec"), "there\n");
	assert_int_equal(agent_wait("web", "exec"), 3);
}

static void test_processes_that_are_executed(void **state)
{
	agent_run("web", "trap 'exit 0' TERM; while :; do sleep 1000 & wait; done");
	repeat(round_of_exec);
	agent_remove("web");
}

/* Nobody reads what they print, and who waits came early. */
static void round_of_careless_exec(int i)
{
	struct answer *wait;

	agent_exec("web", "exec", "echo hello; sleep 100 & exit 3");
	wait = agent_begin_wait("web", "exec");
	assert_true(agent_ends_within(wait, AGENT_TIME_MS));
	assert_int_equal(agent_status_of(wait), 3);
	agent_signal("web", "web", SIGUSR1);
}

static void test_processes_whose_output_nobody_reads(void **state)
{
	agent_run("web", "trap 'kill $(ps -o pid,args | grep \"[s]leep 100\" | { while read a b; do echo $a; done; }) 2>/dev/null' USR1; "
			 "while :; do sleep 1000000 & wait; done");
	repeat(round_of_careless_exec);
	agent_remove("web");
}

static void round_of_container(int i)
{
	agent_expect_output("web", "echo hello; exit 3", "hello\n", 3);
	if (i % 4 == 0) { /* in each state */
		agent_create("web", "true");
		agent_remove("web");
		agent_run("web", "sleep 1000");
		agent_remove("web");
	}
}

static void test_containers(void **state)
{
	repeat(round_of_container);
}

static void round_of_terminals(int i)
{
	struct sample sample;

	sample_init(&sample, "tty", "echo hello; exit 3");
	sample.process.terminal = true;
	sample_expect_output(&sample, "hello\r\n", 3);
}

static void test_terminals(void **state)
{
	repeat(round_of_terminals);
}

static void test_the_agent_takes_no_more_than_2_mib(void **state)
{
	if (!agent_pid() || !memory_counts)
		skip();
	for (int i = 0; i < 8; i++) {
		char id[16];
		snprintf(id, sizeof(id), "c-%d", i);
		agent_run(id, "read x");
	}
	print_message("# resident %lu KiB, private %lu KiB, with 8 containers\n", rollup_kb("Rss"), rollup_kb("Private_"));
	assert_true(rollup_kb("Rss") <= 2048);
	for (int i = 0; i < 8; i++) {
		char id[16];
		snprintf(id, sizeof(id), "c-%d", i);
		agent_remove(id);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		agent_test(test_the_agent_takes_no_more_than_2_mib),
		agent_test(test_processes_that_are_executed),
		agent_test(test_processes_whose_output_nobody_reads),
		agent_test(test_containers),
		agent_test(test_terminals),
	};

	agent_choose_tests();
	return cmocka_run_group_tests(tests, agent_world_setup, agent_world_teardown);
}
