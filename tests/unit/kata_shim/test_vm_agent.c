// SPDX-License-Identifier: Apache-2.0
/* The client of the guest's agent against an agent that says whatever it likes. */
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>

#include "tests/support/few_allocations.h"
#include "tests/support/log_capture.h"
#include "tests/unit/kata_shim/scripted_agent.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static struct world {
	uv_loop_t loop;
	struct scripted_agent scripted;
	struct agent_call call, other;
	unsigned n_done, awaited;
	int code;
	char message[ERROR_MESSAGE_MAX];
	bool had_answer;
	enum rpc_status say;
	const char *words;
	struct slice bytes;
	struct ttrpc_call *held, *held_too;
} world;

static void handle(void *context, const char *method, struct ttrpc_call *call, struct slice request)
{
	if (strcmp(method, "WaitProcess") == 0 && !world.held)
		world.held = call;
	else if (strcmp(method, "WaitProcess") == 0)
		world.held_too = call;
	else if (world.say != RPC_OK)
		ttrpc_call_finish(call, world.say, world.words);
	else
		ttrpc_call_answer(call, world.bytes);
}

static int set_up(void **state)
{
	world = (struct world){};
	assert_int_equal(uv_loop_init(&world.loop), 0);
	scripted_agent_start(&world.scripted, &world.loop, handle, NULL);
	return 0;
}

static int tear_down(void **state)
{
	allocations_allowed = SIZE_MAX;
	if (world.held)
		ttrpc_call_finish(world.held, RPC_OK, NULL);
	if (world.held_too)
		ttrpc_call_finish(world.held_too, RPC_OK, NULL);
	scripted_agent_stop(&world.scripted);
	uv_run(&world.loop, UV_RUN_DEFAULT);
	return uv_loop_close(&world.loop);
}

static void on_done(struct agent_call *call, const struct error *err, const void *answer)
{
	world.n_done++;
	world.code = err ? err->code : 0;
	snprintf(world.message, sizeof(world.message), "%s", err ? err->message : "");
	world.had_answer = answer != NULL;
	if (--world.awaited == 0)
		uv_stop(&world.loop);
}

static void await(unsigned n)
{
	world.awaited = n;
	uv_run(&world.loop, UV_RUN_DEFAULT);
	assert_int_equal(world.awaited, 0);
}

static void start_container(void)
{
	Agent__StartContainerRequest request = AGENT__START_CONTAINER_REQUEST__INIT;

	request.container_id = (char *)ID;
	agent_call(world.scripted.agent, &world.call, AGENT_START_CONTAINER, &request, on_done);
}

static void ask_stats(void)
{
	Agent__StatsContainerRequest request = AGENT__STATS_CONTAINER_REQUEST__INIT;

	request.container_id = (char *)ID;
	agent_call(world.scripted.agent, &world.call, AGENT_STATS_CONTAINER, &request, on_done);
	await(1);
}

static void wait_process(struct agent_call *call)
{
	Agent__WaitProcessRequest request = AGENT__WAIT_PROCESS_REQUEST__INIT;

	request.container_id = (char *)ID;
	request.exec_id = (char *)"";
	agent_call(world.scripted.agent, call, AGENT_WAIT_PROCESS, &request, on_done);
}

static void a_call_that_answers_empty_is_done(void **state)
{
	start_container();
	assert_int_equal(world.n_done, 0);
	await(1);
	assert_int_equal(world.code, 0);
	assert_false(world.had_answer);
}

static void what_nobody_reads_may_be_garbage_of_any_size(void **state)
{
	static uint8_t garbage[1024 * 1024];

	memset(garbage, 0xff, sizeof(garbage));
	world.bytes = slice_from(garbage, sizeof(garbage));
	start_container();
	await(1);
	assert_int_equal(world.code, 0);
}

static void an_error_names_method_container_and_what_the_agent_said(void **state)
{
	world.say = RPC_INTERNAL;
	world.words = "no such file: /bin/serve";
	start_container();
	await(1);
	assert_int_equal(world.code, EIO);
	assert_string_equal(world.message, "guest agent: StartContainer of 0123456789ab: no such file: /bin/serve");
}

static void statuses_become_codes(void **state)
{
	static const struct {
		enum rpc_status status;
		int code;
	} rows[] = {
		{ RPC_NOT_FOUND, ENOENT },     { RPC_ALREADY_EXISTS, EEXIST }, { RPC_INVALID_ARGUMENT, EINVAL },
		{ RPC_UNIMPLEMENTED, ENOSYS }, { RPC_UNKNOWN, EIO },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		world.say = rows[i].status;
		start_container();
		await(1);
		assert_int_equal(world.code, rows[i].code);
		assert_non_null(strstr(world.message, rpc_status_name(rows[i].status)));
	}
}

/* As ttrpc-rust 0.9 says it. */
static void a_service_that_the_agent_has_not_is_a_method_that_it_has_not(void **state)
{
	world.say = RPC_INVALID_ARGUMENT;
	world.words = "holdfast.Guest service does not exist";
	start_container();
	await(1);
	assert_int_equal(world.code, ENOSYS);
}

static void words_cannot_steer_a_terminal_and_are_cut(void **state)
{
	static char words[2000] = "\033[2J\ntime=now msg=\"all is well\"\302\233";

	memset(words + strlen(words), 'a', sizeof(words) - 1 - strlen(words));
	world.say = RPC_UNKNOWN;
	world.words = words;
	start_container();
	await(1);
	assert_non_null(strstr(world.message, ": ?[2J?time=now"));
	for (const char *at = world.message; *at; at++)
		assert_true(*at >= 0x20 && *at < 0x7f);
	assert_true(strlen(world.message) < 420);
	assert_string_equal(world.message + strlen(world.message) - 3, "...");
}

static void an_answer_that_is_none_is_an_error(void **state)
{
	world.bytes = slice_string("\x0a\xff garbage");
	ask_stats();
	assert_int_equal(world.code, EBADMSG);
	assert_non_null(strstr(world.message, "StatsContainer of 0123456789ab: "));
}

static void an_answer_larger_than_any_is_not_read(void **state)
{
	static uint8_t zeros[33 * 1024];

	world.bytes = slice_from(zeros, sizeof(zeros));
	ask_stats();
	assert_int_equal(world.code, EMSGSIZE);
	assert_non_null(strstr(world.message, "33792 bytes, and none has more than 32768"));
}

static void lists_of_an_answer_are_limited(void **state)
{
	static uint8_t empty_networks[2 * (AGENT_STATS_MAX + 1)];

	for (size_t i = 0; i < sizeof(empty_networks); i += 2)
		empty_networks[i] = 2 << 3 | 2;
	world.bytes = slice_from(empty_networks, sizeof(empty_networks) - 2);
	ask_stats();
	assert_int_equal(world.code, 0);
	assert_true(world.had_answer);
	world.bytes = slice_from(empty_networks, sizeof(empty_networks));
	ask_stats();
	assert_int_equal(world.code, EBADMSG);
}

static void silence_ends_by_the_timeout(void **state)
{
	Agent__WaitProcessRequest request = AGENT__WAIT_PROCESS_REQUEST__INIT;

	request.container_id = (char *)ID;
	agent_call_within(world.scripted.agent, &world.call, AGENT_WAIT_PROCESS, &request, 20, on_done);
	await(1);
	assert_int_equal(world.code, ETIMEDOUT);
}

static void a_connection_that_is_lost_ends_calls_and_later_ones(void **state)
{
	wait_process(&world.call);
	while (!world.held)
		uv_run(&world.loop, UV_RUN_ONCE);
	ttrpc_call_finish(TAKE_PTR(world.held), RPC_UNAVAILABLE, "x");
	await(1);
	ttrpc_server_stop(TAKE_PTR(world.scripted.server));
	wait_process(&world.call);
	await(1);
	assert_int_equal(world.code, ECONNRESET);
	start_container();
	assert_int_equal(world.n_done, 2);
	await(1);
	assert_int_equal(world.code, ECONNRESET);
	assert_non_null(strstr(world.message, "the connection was lost"));
}

static void closing_ends_the_calls_under_way(void **state)
{
	wait_process(&world.call);
	while (!world.held)
		uv_run(&world.loop, UV_RUN_ONCE);
	agent_close(TAKE_PTR(world.scripted.agent));
	await(1);
	assert_int_equal(world.code, ECANCELED);
}

static void a_call_given_up_is_not_heard_of(void **state)
{
	wait_process(&world.call);
	wait_process(&world.other);
	agent_cancel(&world.other);
	agent_cancel(&world.other);
	agent_cancel(&world.call);
	start_container();
	await(1);
	assert_int_equal(world.n_done, 1);
}

static void a_call_that_could_not_begin_can_be_given_up(void **state)
{
	ttrpc_server_stop(TAKE_PTR(world.scripted.server));
	wait_process(&world.call);
	await(1);
	for (int i = 0; i < 3; i++) {
		wait_process(&world.call);
		wait_process(&world.other);
		agent_cancel(i == 1 ? &world.call : &world.other);
		if (i == 2) {
			agent_cancel(&world.call);
			uv_run(&world.loop, UV_RUN_NOWAIT);
		} else {
			await(1);
		}
	}
	assert_int_equal(world.n_done, 3);
}

static void a_request_too_large_is_refused_before_it_is_sent(void **state)
{
	Agent__CopyFileRequest request = AGENT__COPY_FILE_REQUEST__INIT;

	request.path = (char *)"/x";
	request.data.len = TTRPC_MESSAGE_MAX;
	request.data.data = calloc(1, request.data.len);
	agent_call(world.scripted.agent, &world.call, AGENT_COPY_FILE, &request, on_done);
	free(request.data.data);
	await(1);
	assert_int_equal(world.code, ENOBUFS);
}

static void without_memory_every_call_still_ends_once(void **state)
{
	for (size_t i = 0; i < 12; i++) {
		world.n_done = 0;
		world.bytes = slice_string("");
		allocations_allowed = i;
		start_container();
		await(1);
		allocations_allowed = SIZE_MAX;
		assert_int_equal(world.n_done, 1);
		if (world.code == ECONNRESET) { /* libuv had none for the connection */
			tear_down(NULL);
			set_up(NULL);
		}
	}
}

static void who_looks_for_something_is_told_how_long_each_call_took(void **state)
{
	struct log_capture capture = log_capture_begin(LOG_LEVEL_DEBUG);

	start_container();
	await(1);
	wait_process(&world.call);
	while (!world.held)
		uv_run(&world.loop, UV_RUN_ONCE);
	ttrpc_call_finish(TAKE_PTR(world.held), RPC_INTERNAL, "x");
	await(1);
	world.say = RPC_INTERNAL;
	start_container();
	await(1);
	const char *log = log_capture_end(&capture, LOG_LEVEL_INFO);
	assert_int_equal(count_of(log, "\n"), 2);
	assert_int_equal(count_of(log, "msg=\"the guest's agent answered\" method=StartContainer container=0123456789ab us="), 2);
	assert_int_equal(count_of(log, " error=\"\"\n"), 1);
}

static void an_ordinary_log_does_not_have_it(void **state)
{
	struct log_capture capture = log_capture_begin(LOG_LEVEL_INFO);

	start_container();
	await(1);
	assert_string_equal(log_capture_end(&capture, LOG_LEVEL_INFO), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_call_that_answers_empty_is_done, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_nobody_reads_may_be_garbage_of_any_size, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_error_names_method_container_and_what_the_agent_said, set_up, tear_down),
		cmocka_unit_test_setup_teardown(statuses_become_codes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_service_that_the_agent_has_not_is_a_method_that_it_has_not, set_up, tear_down),
		cmocka_unit_test_setup_teardown(words_cannot_steer_a_terminal_and_are_cut, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_answer_that_is_none_is_an_error, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_answer_larger_than_any_is_not_read, set_up, tear_down),
		cmocka_unit_test_setup_teardown(lists_of_an_answer_are_limited, set_up, tear_down),
		cmocka_unit_test_setup_teardown(silence_ends_by_the_timeout, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_connection_that_is_lost_ends_calls_and_later_ones, set_up, tear_down),
		cmocka_unit_test_setup_teardown(closing_ends_the_calls_under_way, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_call_given_up_is_not_heard_of, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_call_that_could_not_begin_can_be_given_up, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_request_too_large_is_refused_before_it_is_sent, set_up, tear_down),
		cmocka_unit_test_setup_teardown(who_looks_for_something_is_told_how_long_each_call_took, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_ordinary_log_does_not_have_it, set_up, tear_down),
		cmocka_unit_test_setup_teardown(without_memory_every_call_still_ends_once, set_up, tear_down),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
