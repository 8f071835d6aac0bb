// SPDX-License-Identifier: Apache-2.0
/* Processes that are executed in a container, signals, and how they end. */
#include <signal.h>
#include <stdio.h>

#include "common/base/array.h"
#include "tests/vm/agent_world.h"

static int setup(void **state)
{
	if (agent_world_setup(state) < 0)
		return -1;
	agent_run("web", "trap 'echo term' TERM; echo up; while :; do sleep 1000 & wait; done");
	agent_read_until("web", "web", "up");
	agent_keep();
	return 0;
}

static void expect_exec(const char *exec_id, const char *script, const char *expected, int status)
{
	agent_exec("web", exec_id, script);
	assert_string_equal(agent_read_all("ReadStdout", "web", exec_id), expected);
	assert_int_equal(agent_wait("web", exec_id), status);
}

static void refuses(const char *method, const char *id, const char *exec_id, enum rpc_status status, const char *words)
{
	Agent__WaitProcessRequest request = AGENT__WAIT_PROCESS_REQUEST__INIT; /* the names have the same place in all of them */

	request.container_id = (char *)id;
	request.exec_id = (char *)exec_id;
	agent_refuses(method, &request.base, status, words);
}

/* ── Exec ── */

static void test_a_process_is_executed_beside_the_first(void **state)
{
	expect_exec("ls", "echo hello; echo $PPID; exit 9", "hello\n0\n", 9);
}

static void test_its_exit_code_is_told_or_128_and_the_signal(void **state)
{
	static const struct {
		const char *script;
		int status;
	} cases[] = {
		{ "exit 0", 0 },
		{ "exit 255", 255 },
		{ "kill -TERM $$", 128 + SIGTERM },
		{ "kill -KILL $$", 128 + SIGKILL },
		{ "kill -SEGV $$", 128 + SIGSEGV },
	};

	for (size_t i = 0; i < ELEMENTS_OF(cases); i++)
		expect_exec("code", cases[i].script, "", cases[i].status);
}

static void test_it_has_its_own_environment_folder_and_user(void **state)
{
	Agent__ExecProcessRequest request = AGENT__EXEC_PROCESS_REQUEST__INIT;
	struct sample sample;

	sample_init(&sample, "web", "echo $COLOR; pwd; id -u; id -g");
	sample.env[1] = (char *)"COLOR=blue";
	sample.process.n_env = 2;
	sample.process.cwd = (char *)"/tmp";
	sample.user.uid = 1000;
	sample.user.gid = 100;
	request.container_id = (char *)"web";
	request.exec_id = (char *)"who";
	request.process = &sample.process;
	agent_do("ExecProcess", &request.base);
	assert_string_equal(agent_read_all("ReadStdout", "web", "who"), "blue\n/tmp\n1000\n100\n");
	assert_int_equal(agent_wait("web", "who"), 0);
}

static void test_its_end_is_told_to_who_asks_late(void **state)
{
	agent_exec("web", "late", "exit 4");
	assert_string_equal(agent_read_all("ReadStdout", "web", "late"), "");
	agent_ends_within(NULL, 300);
	assert_int_equal(agent_wait("web", "late"), 4);
}

static void test_it_is_forgotten_when_that_has_been_told(void **state)
{
	expect_exec("once", "exit 4", "", 4);
	refuses("WaitProcess", "web", "once", RPC_NOT_FOUND, NULL);
	expect_exec("once", "exit 5", "", 5);
}

static void test_all_who_wait_are_told(void **state)
{
	struct answer *waits[5];

	agent_exec("web", "many", "read x; exit 6");
	for (size_t i = 0; i < ELEMENTS_OF(waits); i++)
		waits[i] = agent_begin_wait("web", "many");
	assert_false(agent_ends_within(waits[0], 200));
	agent_close_stdin("web", "many");
	for (size_t i = 0; i < ELEMENTS_OF(waits); i++) {
		assert_true(agent_ends_within(waits[i], AGENT_TIME_MS));
		assert_int_equal(agent_status_of(waits[i]), 6);
	}
}

static void test_many_are_executed_at_once(void **state)
{
	struct answer *made[20];
	char id[16];

	for (int i = 0; i < 20; i++) {
		snprintf(id, sizeof(id), "exec-%d", i);
		made[i] = agent_begin_exec("web", id, "echo here; exit 3");
	}
	for (int i = 0; i < 20; i++) {
		snprintf(id, sizeof(id), "exec-%d", i);
		assert_true(agent_ends_within(made[i], AGENT_TIME_MS));
		agent_expect(made[i], RPC_OK, NULL);
		assert_string_equal(agent_read_all("ReadStdout", "web", id), "here\n");
		assert_int_equal(agent_wait("web", id), 3);
	}
}

/* ── Exec that cannot be ── */

static void test_a_program_that_is_not_there_is_named(void **state)
{
	Agent__ExecProcessRequest request = AGENT__EXEC_PROCESS_REQUEST__INIT;
	struct sample sample;

	agent_needs_ours("has other words");
	sample_init(&sample, "web", "");
	sample.args[0] = (char *)"no-such-program";
	request.container_id = (char *)"web";
	request.exec_id = (char *)"absent";
	request.process = &sample.process;
	agent_refuses("ExecProcess", &request.base, RPC_UNKNOWN, "executable file `no-such-program` not found in $PATH");
	agent_refuses("ExecProcess", &request.base, RPC_UNKNOWN, "container web"); /* its id is free again */
}

static void test_a_process_needs_an_id_of_its_own(void **state)
{
	struct answer *answer;

	agent_needs_ours("takes any");
	agent_exec("web", "twin", "read x");
	answer = agent_begin_exec("web", "twin", "read x");
	assert_true(agent_ends_within(answer, AGENT_TIME_MS));
	agent_expect(answer, RPC_ALREADY_EXISTS, "process twin");
	answer = agent_begin_exec("web", "web", "read x");
	assert_true(agent_ends_within(answer, AGENT_TIME_MS));
	agent_expect(answer, RPC_ALREADY_EXISTS, "process web");
	agent_close_stdin("web", "twin");
	agent_wait("web", "twin");
}

static void test_nothing_is_executed_in_a_container_that_does_not_run(void **state)
{
	agent_needs_ours("executes it, also before the start");
	agent_create("other", "exit 0");
	struct answer *answer = agent_begin_exec("other", "early", "true");
	assert_true(agent_ends_within(answer, AGENT_TIME_MS));
	agent_expect(answer, RPC_FAILED_PRECONDITION, "container other cannot execute anything: it has not been started");
	agent_start("other");
	agent_wait("other", "other");
	answer = agent_begin_exec("other", "late", "true");
	assert_true(agent_ends_within(answer, AGENT_TIME_MS));
	agent_expect(answer, RPC_FAILED_PRECONDITION, "container other cannot execute anything: it has ended");
	agent_remove("other");
}

/* ── Signals ── */

static void test_a_signal_reaches_the_process_that_is_named(void **state)
{
	agent_exec("web", "sig", "trap 'echo usr1; exit 11' USR1; echo ready; while :; do sleep 0.1; done");
	agent_read_until("web", "sig", "ready");
	agent_signal("web", "sig", SIGUSR1);
	assert_string_equal(agent_read_all("ReadStdout", "web", "sig"), "usr1\n");
	assert_int_equal(agent_wait("web", "sig"), 11);
	agent_signal("web", "web", SIGTERM);
	agent_read_until("web", "web", "term");
}

static void test_all_processes_of_a_container_can_be_killed_at_once(void **state)
{
	agent_run("all", "trap '' TERM INT HUP; echo up; sleep 1000 & sleep 1000");
	agent_read_until("all", "all", "up");
	agent_exec("all", "beside", "trap '' TERM; sleep 1000");
	agent_signal("all", "", SIGKILL);
	assert_int_equal(agent_wait("all", "all"), 128 + SIGKILL);
	assert_int_equal(agent_wait("all", "beside"), 128 + SIGKILL);
	agent_remove("all");
}

static void test_another_signal_reaches_all_processes_too(void **state)
{
	agent_run("all", "trap 'echo first; exit 1' USR1; echo up; while :; do sleep 0.1; done");
	agent_read_until("all", "all", "up");
	agent_exec("all", "beside", "trap 'echo beside; exit 2' USR1; echo up; while :; do sleep 0.1; done");
	agent_read_until("all", "beside", "up");
	agent_signal("all", "", SIGUSR1);
	agent_read_until("all", "all", "first");
	assert_int_equal(agent_wait("all", "all"), 1);
	agent_remove("all");
}

static void test_killing_what_has_ended_is_no_error(void **state)
{
	agent_run("short", "exit 0");
	agent_wait("short", "short");
	agent_signal("short", "", SIGKILL);
	if (agent_is_ours())
		agent_signal("short", "short", SIGKILL);
	agent_remove("short");
}

static void test_another_signal_to_what_has_ended_is_refused(void **state)
{
	Agent__SignalProcessRequest request = AGENT__SIGNAL_PROCESS_REQUEST__INIT;

	agent_needs_ours("has other words");
	agent_run("short", "exit 3");
	agent_wait("short", "short");
	request.container_id = request.exec_id = (char *)"short";
	request.signal = SIGTERM;
	agent_refuses("SignalProcess", &request.base, RPC_NOT_FOUND, "container short: process short: it has ended already, with 3");
	agent_remove("short");
}

static void test_what_is_no_signal_is_refused(void **state)
{
	Agent__SignalProcessRequest request = AGENT__SIGNAL_PROCESS_REQUEST__INIT;
	static const uint32_t numbers[] = { 0, 65, 4294967295 };

	agent_needs_ours("takes any number");
	request.container_id = request.exec_id = (char *)"web";
	for (size_t i = 0; i < ELEMENTS_OF(numbers); i++) {
		request.signal = numbers[i];
		agent_refuses("SignalProcess", &request.base, RPC_INVALID_ARGUMENT, "is no signal");
	}
}

/* ── Who is not there ── */

static void test_a_process_or_container_that_is_not_there_is_named(void **state)
{
	static const char *const methods[] = { "WaitProcess", "ReadStdout", "ReadStderr", "WriteStdin", "CloseStdin", "TtyWinResize" };

	agent_needs_ours("has other words, and other numbers for a container");
	for (size_t i = 0; i < ELEMENTS_OF(methods); i++) {
		refuses(methods[i], "web", "nobody", RPC_NOT_FOUND, "container web has no process \"nobody\"");
		refuses(methods[i], "nowhere", "nobody", RPC_NOT_FOUND, "there is no container \"nowhere\"");
		refuses(methods[i], "", "", RPC_NOT_FOUND, "there is no container \"\"");
	}
	static const char *const of_containers[] = { "StartContainer", "RemoveContainer", "StatsContainer", "PauseContainer",
						     "ResumeContainer" };
	for (size_t i = 0; i < ELEMENTS_OF(of_containers); i++)
		refuses(of_containers[i], "nowhere", "", RPC_NOT_FOUND, "there is no container \"nowhere\"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		agent_test(test_a_process_is_executed_beside_the_first),
		agent_test(test_its_exit_code_is_told_or_128_and_the_signal),
		agent_test(test_it_has_its_own_environment_folder_and_user),
		agent_test(test_its_end_is_told_to_who_asks_late),
		agent_test(test_it_is_forgotten_when_that_has_been_told),
		agent_test(test_all_who_wait_are_told),
		agent_test(test_many_are_executed_at_once),
		agent_test(test_a_program_that_is_not_there_is_named),
		agent_test(test_a_process_needs_an_id_of_its_own),
		agent_test(test_nothing_is_executed_in_a_container_that_does_not_run),
		agent_test(test_a_signal_reaches_the_process_that_is_named),
		agent_test(test_all_processes_of_a_container_can_be_killed_at_once),
		agent_test(test_another_signal_reaches_all_processes_too),
		agent_test(test_killing_what_has_ended_is_no_error),
		agent_test(test_another_signal_to_what_has_ended_is_refused),
		agent_test(test_what_is_no_signal_is_refused),
		agent_test(test_a_process_or_container_that_is_not_there_is_named),
	};

	agent_choose_tests();
	return cmocka_run_group_tests(tests, setup, agent_world_teardown);
}
