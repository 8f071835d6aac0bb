// SPDX-License-Identifier: Apache-2.0
/* Scripts that are run on the node: what they say, how they end, and that nobody else is told of that. */
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <uv.h>

#include "deploy/install/host/run.h"

#define PATIENCE_MS 60000

static int run(const char *text, struct host_answer *ret, struct error *err)
{
	const struct host_script script = { .root = "", .text = text, .timeout_ms = PATIENCE_MS };

	return host_run(&script, ret, err);
}

static void test_a_script_s_code_and_last_words_are_told(void **state)
{
	struct host_answer answer;
	struct error err;

	assert_int_equal(run("echo one; echo two >&2; exit 3", &answer, &err), 0);
	assert_int_equal(answer.code, 3);
	assert_string_equal(answer.words, "one two");
}

static void test_a_script_that_does_not_end_is_ended(void **state)
{
	const struct host_script script = { .root = "", .text = "while :; do sleep 60; done", .timeout_ms = 10 };
	struct host_answer answer;
	struct error err;

	assert_int_equal(host_run(&script, &answer, &err), -ETIMEDOUT);
}

static void on_signal(uv_signal_t *signal, int number)
{
	unsigned *n = signal->data;

	++*n;
}

/* `holdfast-node watch` would take it for its own, and end. libuv's handlers write to a pipe, which a child of ours has, too. */
static void test_a_signal_that_ends_a_script_is_the_script_s_alone(void **state)
{
	struct host_answer answer;
	uv_signal_t handle;
	struct error err;
	uv_loop_t loop;
	unsigned n = 0;

	uv_loop_init(&loop);
	uv_signal_init(&loop, &handle);
	handle.data = &n;
	uv_signal_start(&handle, on_signal, SIGTERM);
	assert_int_equal(run("echo before; kill -TERM $$", &answer, &err), -EIO);
	assert_string_equal(err.message, "it was ended by signal 15: before");
	uv_run(&loop, UV_RUN_NOWAIT);
	assert_int_equal(n, 0);
	uv_close((uv_handle_t *)&handle, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_script_s_code_and_last_words_are_told),
		cmocka_unit_test(test_a_script_that_does_not_end_is_ended),
		cmocka_unit_test(test_a_signal_that_ends_a_script_is_the_script_s_alone),
	};

	return cmocka_run_group_tests_name("install_run", tests, NULL, NULL);
}
