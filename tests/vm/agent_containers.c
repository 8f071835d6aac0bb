// SPDX-License-Identifier: Apache-2.0
/* The life of a pod's containers, as the agent's protocol promises it. */
#include <signal.h>
#include <stdio.h>

#include "common/base/array.h"
#include "tests/vm/agent_world.h"

static void remove_is_refused(const char *id)
{
	Agent__RemoveContainerRequest request = AGENT__REMOVE_CONTAINER_REQUEST__INIT;

	request.container_id = (char *)id;
	agent_expect(agent_ask("RemoveContainer", &request.base), agent_is_ours() ? RPC_NOT_FOUND : RPC_INTERNAL, NULL);
}

static void test_a_container_runs_and_says_how_it_ended(void **state)
{
	agent_expect_output("web", "echo hello; exit 3", "hello\n", 3);
}

static void test_nothing_runs_before_it_is_started(void **state)
{
	agent_create("web", "echo late");
	struct answer *wait = agent_begin_wait("web", "web"), *read = agent_begin_read("ReadStdout", "web", "web", 100);
	assert_false(agent_ends_within(read, 300));
	agent_start("web");
	assert_true(agent_ends_within(read, AGENT_TIME_MS));
	assert_memory_equal(agent_data_of(read).p, "late\n", 5);
	assert_true(agent_ends_within(wait, AGENT_TIME_MS));
	assert_int_equal(agent_status_of(wait), 0);
	agent_remove("web");
}

static void test_several_containers_live_side_by_side_and_one_is_restarted(void **state)
{
	agent_run("side", "echo up; while read line; do echo got $line; done; exit 7");
	agent_run("main", "read line");
	agent_read_until("side", "side", "up");
	agent_close_stdin("main", "main");
	assert_int_equal(agent_wait("main", "main"), 1);
	agent_remove("main");
	for (int i = 0; i < 3; i++)
		agent_expect_output("main", "echo again", "again\n", 0);
	agent_write("side", "side", "this\n");
	agent_read_until("side", "side", "got this");
	agent_close_stdin("side", "side");
	assert_int_equal(agent_wait("side", "side"), 7);
	agent_remove("side");
}

static void test_a_container_can_be_started_again_after_the_last_has_ended(void **state)
{
	agent_expect_output("only", "echo 1", "1\n", 0);
	agent_expect_output("only", "echo 2", "2\n", 0);
}

/* ── Removal, whatever it is doing ── */

static void test_a_created_container_can_be_removed(void **state)
{
	agent_create("web", "echo never");
	struct answer *wait = agent_begin_wait("web", "web");
	agent_remove("web");
	assert_true(agent_ends_within(wait, AGENT_TIME_MS));
	remove_is_refused("web");
	agent_expect_output("web", "echo new", "new\n", 0);
}

static void test_a_running_container_can_be_removed(void **state)
{
	agent_needs_ours("who waits for it meanwhile is told of an error");
	agent_run("web", "trap '' TERM INT; echo up; sleep 1000 & wait");
	agent_read_until("web", "web", "up");
	agent_exec("web", "job", "sleep 1000");
	struct answer *wait = agent_begin_wait("web", "web");
	agent_remove("web");
	assert_true(agent_ends_within(wait, AGENT_TIME_MS));
	assert_int_equal(agent_status_of(wait), 128 + SIGKILL);
	agent_expect_output("web", "echo new", "new\n", 0);
}

static void test_a_removal_ends_the_reads_that_wait(void **state)
{
	agent_run("web", "sleep 1000");
	struct answer *out = agent_begin_read("ReadStdout", "web", "web", 10), *err = agent_begin_read("ReadStderr", "web", "web", 10);
	assert_false(agent_ends_within(out, 100));
	agent_remove("web");
	assert_true(agent_ends_within(out, AGENT_TIME_MS));
	assert_true(agent_ends_within(err, AGENT_TIME_MS));
	assert_int_equal(agent_data_of(out).n, 0);
	assert_int_equal(agent_data_of(err).n, 0);
}

static void pause_or_resume(const char *id, bool pause)
{
	Agent__PauseContainerRequest request = AGENT__PAUSE_CONTAINER_REQUEST__INIT;
	Agent__ResumeContainerRequest other = AGENT__RESUME_CONTAINER_REQUEST__INIT;

	request.container_id = other.container_id = (char *)id;
	agent_do(pause ? "PauseContainer" : "ResumeContainer", pause ? &request.base : &other.base);
}

static void test_a_paused_container_stands_still_until_it_is_resumed(void **state)
{
	agent_run("web", "while read line; do echo got $line; done");
	agent_write("web", "web", "1\n");
	agent_read_until("web", "web", "got 1\n");
	pause_or_resume("web", true);
	agent_write("web", "web", "2\n");
	struct answer *read = agent_begin_read("ReadStdout", "web", "web", 100);
	assert_false(agent_ends_within(read, 500));
	pause_or_resume("web", false);
	assert_true(agent_ends_within(read, AGENT_TIME_MS));
	assert_memory_equal(agent_data_of(read).p, "got 2\n", 6);
	agent_remove("web");
}

static void test_a_paused_container_can_be_killed_and_removed(void **state)
{
	agent_run("web", "sleep 1000");
	pause_or_resume("web", true);
	agent_signal("web", "", SIGKILL);
	assert_int_equal(agent_wait("web", "web"), 128 + SIGKILL);
	agent_remove("web");
	agent_run("web", "sleep 1000");
	pause_or_resume("web", true);
	agent_remove("web");
}

/* ── A pod whose containers share their processes ── */

static void create_sharing(const char *id, const char *script)
{
	struct sample sample;

	sample_init(&sample, id, script);
	sample.request.sandbox_pidns = true;
	agent_expect(sample_create(&sample), RPC_OK, NULL);
	agent_start(id);
}

static void test_containers_can_share_the_first_ones_processes(void **state)
{
	agent_needs_ours("shares the processes of the first container there ever was");
	create_sharing("pause", "trap 'exit 0' TERM; echo pausing; while :; do wait; sleep 1 & done");
	agent_read_until("pause", "pause", "pausing");
	create_sharing("first", "sleep 1234 & echo up; read x");
	agent_read_until("first", "first", "up");
	create_sharing("second", "ps -o args | grep -c '^slee[p] 1234'; kill -0 1 && echo 1 is there; read x");
	agent_read_until("second", "second", "1\n1 is there");
	agent_close_stdin("first", "first");
	assert_int_equal(agent_wait("first", "first"), 1);
	agent_exec("second", "look", "sleep 0.3; ps -o args | grep -c '^slee[p] 1234'");
	assert_string_equal(agent_read_all("ReadStdout", "second", "look"),
			    "0\n"); /* a container takes its own along, although it is no init */
	agent_wait("second", "look");
	agent_remove("first");
	agent_remove("second");
	agent_remove("pause");
	agent_expect_output("alone", "echo $$", "1\n", 0);
}

/* ── Failures ── */

static void test_a_program_that_is_not_there_is_named(void **state)
{
	struct sample sample;

	sample_init(&sample, "web", "");
	sample.args[0] = (char *)"no-such-program";
	const struct answer *answer = sample_create(&sample);
	assert_int_not_equal(answer->status, RPC_OK);
	assert_non_null(strstr(answer->words, "no-such-program"));
	if (agent_is_ours())
		agent_expect(answer, RPC_UNKNOWN, "not found in $PATH");
	agent_expect_output("web", "echo good", "good\n", 0);
}

static void test_a_program_that_may_not_be_run_is_refused(void **state)
{
	struct sample sample;

	agent_needs_ours("creates it all the same");
	sample_init(&sample, "web", "");
	sample.args[0] = (char *)"/proc/version";
	agent_expect(sample_create(&sample), RPC_UNKNOWN, "container web: open executable: Permission denied");
}

static void test_a_mount_that_cannot_be_is_named(void **state)
{
	struct sample sample;

	agent_needs_ours("does not name it");
	sample_init(&sample, "web", "");
	sample.mounts[0].type = sample.mounts[0].source = (char *)"nosuchfs";
	agent_expect(sample_create(&sample), RPC_UNKNOWN, "container web: ");
	agent_expect(sample_create(&sample), RPC_UNKNOWN, "nosuchfs"); /* and nothing of it is in the way of another */
}

/* As soon as what there was is gone: what was killed ends when it ends. */
static struct answer *create_again(struct sample *sample)
{
	struct answer *answer = NULL;

	for (int i = 0; i < 500; i++) {
		answer = agent_begin_within("CreateContainer", &sample->request.base, 60000);
		if (!agent_ends_within(answer, 300) || answer->status != RPC_ALREADY_EXISTS)
			break;
		agent_ends_within(NULL, 20);
	}
	return answer;
}

static void test_a_file_system_that_does_not_answer_holds_up_one_container_only(void **state)
{
	struct sample sample;

	if (!agent_pid())
		skip();
	sample_init(&sample, "stuck", "true");
	sample.root.path = (char *)agent_stuck();
	struct answer *answer = agent_begin_within("CreateContainer", &sample.request.base, 3000);
	agent_expect_output("web", "echo well", "well\n", 0);
	assert_true(agent_ends_within(answer, AGENT_TIME_MS));
	agent_expect(answer, RPC_DEADLINE_EXCEEDED, "container stuck: crun create did not end in 2.");
	answer = create_again(&sample);
	agent_remove("stuck");
	assert_true(agent_ends_within(answer, AGENT_TIME_MS));
	agent_expect(answer, RPC_CANCELLED, "container stuck: crun create was given up, because the container is removed");
}

static void test_an_id_is_taken_until_its_container_is_removed(void **state)
{
	struct sample sample;

	agent_needs_ours("forgets the first one");
	agent_run("web", "exit 5");
	sample_init(&sample, "web", "echo second");
	agent_expect(sample_create(&sample), RPC_ALREADY_EXISTS, "container web");
	assert_int_equal(agent_wait("web", "web"), 5);
	agent_expect(sample_create(&sample), RPC_ALREADY_EXISTS, "container web");
	agent_remove("web");
}

static void test_a_container_is_started_once(void **state)
{
	Agent__StartContainerRequest request = AGENT__START_CONTAINER_REQUEST__INIT;

	agent_needs_ours("never answers");
	request.container_id = (char *)"web";
	agent_run("web", "read x");
	agent_refuses("StartContainer", &request.base, RPC_FAILED_PRECONDITION, "it is running");
	agent_close_stdin("web", "web");
	agent_wait("web", "web");
	agent_refuses("StartContainer", &request.base, RPC_FAILED_PRECONDITION, "it has ended");
	agent_remove("web");
}

static void test_no_more_containers_than_128(void **state)
{
	struct sample sample;
	char id[16];

	if (!agent_pid())
		skip(); /* a guest may be too small */
	for (int i = 0; i < 128; i++) {
		snprintf(id, sizeof(id), "c-%d", i);
		agent_create(id, "read x");
	}
	sample_init(&sample, "c-128", "");
	agent_expect(sample_create(&sample), RPC_RESOURCE_EXHAUSTED, "128 containers");
	for (int i = 0; i < 128; i++) {
		snprintf(id, sizeof(id), "c-%d", i);
		agent_remove(id);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		agent_test(test_a_container_runs_and_says_how_it_ended),
		agent_test(test_nothing_runs_before_it_is_started),
		agent_test(test_several_containers_live_side_by_side_and_one_is_restarted),
		agent_test(test_a_container_can_be_started_again_after_the_last_has_ended),
		agent_test(test_a_created_container_can_be_removed),
		agent_test(test_a_running_container_can_be_removed),
		agent_test(test_a_removal_ends_the_reads_that_wait),
		agent_test(test_a_paused_container_stands_still_until_it_is_resumed),
		agent_test(test_a_paused_container_can_be_killed_and_removed),
		agent_test(test_containers_can_share_the_first_ones_processes),
		agent_test(test_a_program_that_is_not_there_is_named),
		agent_test(test_a_program_that_may_not_be_run_is_refused),
		agent_test(test_a_mount_that_cannot_be_is_named),
		agent_test(test_a_file_system_that_does_not_answer_holds_up_one_container_only),
		agent_test(test_an_id_is_taken_until_its_container_is_removed),
		agent_test(test_a_container_is_started_once),
		agent_test(test_no_more_containers_than_128),
	};

	agent_choose_tests();
	return cmocka_run_group_tests(tests, agent_world_setup, agent_world_teardown);
}
