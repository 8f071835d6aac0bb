// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/common/cmocka_all.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "deploy/install/readiness/trial.h"

struct heard {
	unsigned n;
	struct part_result result;
};

static const struct trial_options nowhere = { .programs = "/nonexistent" };
static volatile sig_atomic_t signalled;

static void on_signal(int number)
{
	signalled = number;
}

static void on_done(void *context, enum part part, const struct part_result *result)
{
	struct heard *heard = context;

	heard->n++;
	heard->result = *result;
}

static void a_self_test_whose_program_is_not_there_has_failed_and_says_so(void **state)
{
	struct heard heard = {};
	uv_loop_t loop;

	uv_loop_init(&loop);
	assert_non_null(trial_start(&loop, PART_TPM, &nowhere, on_done, &heard));
	assert_int_equal(heard.n, 0);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	assert_int_equal(heard.n, 1);
	assert_int_equal(heard.result.state, PART_FAILED);
	assert_non_null(strstr(heard.result.cause, "cannot run holdfast-tpm self-test: no such file"));
}

/* It has no process: the number 0 in its place would be all of our own group. */
static void one_that_never_began_is_cancelled_without_a_signal_to_anybody(void **state)
{
	struct heard heard = {};
	uv_loop_t loop;

	setpgid(0, 0);
	signal(SIGTERM, on_signal);
	uv_loop_init(&loop);
	struct trial *trial = trial_start(&loop, PART_TPM, &nowhere, on_done, &heard);
	assert_non_null(trial);
	trial_cancel(trial);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	assert_int_equal(signalled, 0);
	assert_int_equal(heard.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_self_test_whose_program_is_not_there_has_failed_and_says_so),
		cmocka_unit_test(one_that_never_began_is_cancelled_without_a_signal_to_anybody),
	};

	return cmocka_run_group_tests_name("trial", tests, NULL, NULL);
}
