// SPDX-License-Identifier: Apache-2.0
/* Requests that make no sense are refused with a reason, cost the agent nothing, and disturb no container. */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/array.h"
#include "tests/vm/agent_world.h"

static const char *const methods[] = {
	"CreateContainer", "StartContainer", "UpdateContainer", "StatsContainer", "RemoveContainer", "ExecProcess",  "SignalProcess",
	"WaitProcess",     "ReadStdout",     "ReadStderr",      "WriteStdin",     "CloseStdin",      "TtyWinResize",
};

static int setup(void **state)
{
	if (agent_world_setup(state) < 0)
		return -1;
	agent_run("bystander", "while read line; do echo $line; done");
	agent_keep();
	return 0;
}

/* After each test: the bystander has noticed nothing. */
static int check_bystander(void **state)
{
	agent_write("bystander", "bystander", "still here\n");
	agent_read_until("bystander", "bystander", "still here\n");
	return agent_test_teardown(state);
}

static void test_bytes_that_are_no_message_are_refused(void **state)
{
	static const char garbage[] = "\x0a\xff\xff\xff\xff\x0f not a message";

	for (size_t i = 0; i < ELEMENTS_OF(methods); i++) {
		const struct answer *answer = agent_ask_bytes(methods[i], slice_from(garbage, sizeof(garbage) - 1));
		if (agent_is_ours())
			agent_expect(answer, RPC_INVALID_ARGUMENT, "of protobuf");
		else
			assert_int_not_equal(answer->status, RPC_OK);
	}
}

static void test_an_empty_message_is_refused(void **state)
{
	for (size_t i = 0; i < ELEMENTS_OF(methods); i++)
		assert_int_not_equal(agent_ask_bytes(methods[i], slice_string(""))->status, RPC_OK);
}

static void test_a_method_that_is_not_there_is_unimplemented(void **state)
{
	agent_expect(agent_ask_bytes("ExplodeContainer", slice_string("")), RPC_UNIMPLEMENTED, NULL);
}

static void test_an_id_that_could_be_a_path_is_refused(void **state)
{
	static const char *const ids[] = { "", "x", "..", "../x", "a/b", "/etc", ".hidden", "a b", "a\nb", "-rf" };
	char longest[200];
	struct sample sample;

	agent_needs_ours("takes some of them");
	for (size_t i = 0; i < ELEMENTS_OF(ids); i++) {
		sample_init(&sample, ids[i], "true");
		const struct answer *answer = sample_create(&sample);
		if (agent_is_ours())
			agent_expect(answer, RPC_INVALID_ARGUMENT, "container_id");
		else
			assert_int_not_equal(answer->status, RPC_OK);
	}
	memset(longest, 'x', sizeof(longest));
	longest[129] = 0;
	sample_init(&sample, longest, "true");
	assert_int_not_equal(sample_create(&sample)->status, RPC_OK);
	longest[128] = 0;
	sample_init(&sample, longest, "true");
	agent_expect(sample_create(&sample), RPC_OK, NULL);
	agent_remove(longest);
}

static void test_a_process_id_that_could_be_an_option_or_a_path_is_refused(void **state)
{
	static const char *const ids[] = { "", "x", "../x", "a/b", "--cwd=/" };

	agent_needs_ours("takes them: they are no paths there");
	for (size_t i = 0; i < ELEMENTS_OF(ids); i++) {
		struct answer *answer = agent_begin_exec("bystander", ids[i], "true");
		assert_true(agent_ends_within(answer, AGENT_TIME_MS));
		agent_expect(answer, RPC_INVALID_ARGUMENT, "exec_id");
	}
}

/* ── Parts that are missing ── */

static void no_oci(struct sample *sample)
{
	sample->request.oci = NULL;
}

static void no_process(struct sample *sample)
{
	sample->spec.process = NULL;
}

static void no_arguments(struct sample *sample)
{
	sample->process.n_args = 0;
}

static void no_capabilities(struct sample *sample)
{
	sample->process.capabilities = NULL;
}

static void no_root(struct sample *sample)
{
	sample->root.path = (char *)"";
}

static void absent_root(struct sample *sample)
{
	sample->root.path = (char *)"/run/no-such-root";
}

static void test_a_container_without_what_it_needs_is_refused_and_leaves_nothing(void **state)
{
	static const struct {
		void (*spoil)(struct sample *sample);
		const char *words; /* of ours */
	} cases[] = {
		{ no_oci, "the OCI specification is missing" },
		{ no_process, "process is missing" },
		{ no_arguments, "process.args is empty" },
		{ no_capabilities, "process.capabilities is missing" },
		{ no_root, "root.path" },
		{ absent_root, "/run/no-such-root" },
	};

	agent_needs_ours("takes what it does not need");
	for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
		struct sample sample;

		sample_init(&sample, "web", "true");
		cases[i].spoil(&sample);
		const struct answer *answer = sample_create(&sample);
		assert_int_not_equal(answer->status, RPC_OK);
		if (agent_is_ours()) {
			agent_expect(answer, answer->status, "container web: ");
			agent_expect(answer, answer->status, cases[i].words);
		}
	}
	agent_expect_output("web", "echo well", "well\n", 0);
}

static void test_a_second_id_for_a_containers_first_process_is_refused(void **state)
{
	struct sample sample;

	agent_needs_ours("takes it");
	sample_init(&sample, "web", "true");
	sample.request.exec_id = (char *)"other";
	agent_expect(sample_create(&sample), RPC_INVALID_ARGUMENT, "exec_id");
}

static void test_a_read_of_no_bytes_is_refused(void **state)
{
	agent_needs_ours("takes it, and it reads as the end");
	struct answer *read = agent_begin_read("ReadStdout", "bystander", "bystander", 0);
	assert_true(agent_ends_within(read, AGENT_TIME_MS));
	agent_expect(read, RPC_INVALID_ARGUMENT, "len");
}

/* ── Requests that are almost good ── */

static unsigned pick(unsigned n)
{
	static uint64_t seed = 20261126;

	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(seed >> 33) % n;
}

static struct answer *begin_spoilt(const char *method, const ProtobufCMessage *message)
{
	_cleanup_(buf_free) struct buf bytes = BUF_MAX(64 * 1024);

	message_write(message, &bytes);
	for (unsigned i = pick(4); i > 0; i--)
		bytes.p[pick((unsigned)bytes.n)] = (uint8_t)pick(256);
	return agent_begin_bytes(method, slice_from(bytes.p, bytes.n - (pick(4) == 0 ? pick((unsigned)bytes.n) : 0)));
}

static struct answer *begin_any_spoilt(void)
{
	Agent__ReadStreamRequest process = AGENT__READ_STREAM_REQUEST__INIT; /* ids and a number, as many requests are */
	Agent__ExecProcessRequest exec = AGENT__EXEC_PROCESS_REQUEST__INIT;
	Agent__UpdateContainerRequest update = AGENT__UPDATE_CONTAINER_REQUEST__INIT;
	struct sample sample;

	sample_init(&sample, "victim", "cat");
	sample.process.terminal = pick(2);
	process.container_id = exec.container_id = update.container_id = (char *)"victim";
	process.exec_id = (char *)(pick(2) ? "victim" : "exec");
	process.len = 9;
	exec.exec_id = (char *)"exec";
	exec.process = &sample.process;
	update.resources = &sample.resources;
	switch (pick(6)) {
	case 0:
		return begin_spoilt("CreateContainer", &sample.request.base);
	case 1:
		return begin_spoilt("ExecProcess", &exec.base);
	case 2:
		return begin_spoilt("UpdateContainer", &update.base);
	default:
		return begin_spoilt(methods[pick(ELEMENTS_OF(methods))], &process.base);
	}
}

static void test_requests_with_wrong_bytes_are_answered_or_wait(void **state)
{
	const char *told = getenv("HOLDFAST_AGENT_CYCLES");

	agent_needs_ours("one that starts a container twice would hold it up for good");
	for (int i = told ? atoi(told) : 300; i > 0; i--)
		agent_ends_within(begin_any_spoilt(), 20);
	Agent__RemoveContainerRequest request = AGENT__REMOVE_CONTAINER_REQUEST__INIT;
	request.container_id = (char *)"victim";
	agent_ask("RemoveContainer", &request.base); /* it may not be there */
}

/* ── What it costs ── */

static unsigned count_entries(const char *folder)
{
	char path[64];
	unsigned n = 0;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)agent_pid(), folder);
	DIR *directory = opendir(path);
	assert_non_null(directory);
	while (readdir(directory))
		n++;
	closedir(directory);
	return n;
}

static void test_refusals_cost_no_descriptor_and_leave_no_file(void **state)
{
	struct sample sample;

	agent_needs_ours("what is counted is ours");
	if (!agent_pid())
		skip();
	const unsigned descriptors = count_entries("fd"), files = count_entries("root/run/holdfast"),
		       cgroups = count_entries("root/sys/fs/cgroup"), states = count_entries("root/run/holdfast/crun");
	for (int i = 0; i < 50; i++) {
		sample_init(&sample, "web", "true");
		sample.process.terminal = i % 2;
		sample.args[0] = (char *)"no-such-program";
		assert_int_not_equal(sample_create(&sample)->status, RPC_OK);
		sample.root.path = (char *)"";
		assert_int_not_equal(sample_create(&sample)->status, RPC_OK);
	}
	assert_int_equal(count_entries("fd"), descriptors);
	assert_int_equal(count_entries("root/run/holdfast"), files);
	assert_int_equal(count_entries("root/run/holdfast/crun"), states);
	assert_int_equal(count_entries("root/sys/fs/cgroup"), cgroups);
}

#define refusal(function) cmocka_unit_test_teardown(function, check_bystander)

int main(void)
{
	const struct CMUnitTest tests[] = {
		refusal(test_bytes_that_are_no_message_are_refused),
		refusal(test_an_empty_message_is_refused),
		refusal(test_a_method_that_is_not_there_is_unimplemented),
		refusal(test_an_id_that_could_be_a_path_is_refused),
		refusal(test_a_process_id_that_could_be_an_option_or_a_path_is_refused),
		refusal(test_a_container_without_what_it_needs_is_refused_and_leaves_nothing),
		refusal(test_a_second_id_for_a_containers_first_process_is_refused),
		refusal(test_a_read_of_no_bytes_is_refused),
		refusal(test_requests_with_wrong_bytes_are_answered_or_wait),
		refusal(test_refusals_cost_no_descriptor_and_leave_no_file),
	};

	agent_choose_tests();
	return cmocka_run_group_tests(tests, setup, agent_world_teardown);
}
