// SPDX-License-Identifier: Apache-2.0
/*
 * The first allocation of ours fails, then the second, and so on until none does: a plan is whole or there is none. A mount that is missing
 * would be a pod without its read-only file. The address sanitizer sees that nothing leaks.
 */
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>
#include <stdlib.h>

#include "common/base/file.h"
#include "kata-shim/vm/plan/plan.h"
#include "tests/support/few_allocations.h"

#define FOLDER TEST_DATA "/golden/bundle/containerd-2"
#define ALLOCATIONS_MAX 20000
#define STEP 7 /* a real bundle has thousands, most of them alike */

static struct buf sandbox_text = BUF_MAX(SPEC_BYTES_MAX), main_text = BUF_MAX(SPEC_BYTES_MAX);
static struct plan_sandbox sandbox;

static int read_sandbox(struct error *err)
{
	struct plan_sandbox other = {};
	int r = plan_read_sandbox(buf_view(&sandbox_text), &other, err);

	allocations_allowed = SIZE_MAX;
	assert_int_equal(other.n_sysctls, r == 0 ? 2 : 0);
	plan_sandbox_clear(&other);
	return r;
}

static int make(struct error *err)
{
	const struct plan_question question = { .container = "c1", .sandbox = &sandbox, .sealed = "/run/holdfast/vol" };
	struct plan plan = {};
	int r = plan_make(buf_view(&main_text), &question, &plan, err);

	allocations_allowed = SIZE_MAX;
	assert_int_equal(plan.n_sources, r == 0 ? 16 : 0);
	assert_int_equal(plan.spec ? plan.spec->n_mounts : 0, r == 0 ? 23 : 0);
	plan_clear(&plan);
	return r;
}

static int read_process(struct error *err)
{
	struct plan_process process = {};
	int r = plan_read_process(
		slice_string("{\"args\":[\"a\",\"b\"],\"cwd\":\"/\",\"env\":[\"A=b\"],\"rlimits\":[{\"type\":\"RLIMIT_CORE\"}]}"), &process,
		err);

	allocations_allowed = SIZE_MAX;
	assert_int_equal(r == 0, process.message != NULL);
	plan_process_clear(&process);
	return r;
}

static void expect_whole_or_nothing(int (*read)(struct error *err), size_t step)
{
	size_t allowed = 0;
	int r = -ENOMEM;

	for (; r != 0 && allowed < ALLOCATIONS_MAX; allowed += step) {
		struct error err = {};
		allocations_allowed = allowed;
		r = read(&err);
		if (r != 0 && r != -ENOMEM)
			fail_msg("allocation %zu: %d %s", allowed, r, err.message);
	}
	assert_int_equal(r, 0);
	assert_true(allowed > step);
}

static void without_memory_there_is_no_sandbox(void **state)
{
	expect_whole_or_nothing(read_sandbox, STEP);
}

static void without_memory_there_is_no_plan_and_not_half_a_plan(void **state)
{
	expect_whole_or_nothing(make, STEP);
}

static void without_memory_there_is_no_exec(void **state)
{
	expect_whole_or_nothing(read_process, 1);
}

static int set_up(void **state)
{
	struct error err = {};

	if (file_read(FOLDER "/sandbox.json", &sandbox_text, &err) < 0 || file_read(FOLDER "/main.json", &main_text, &err) < 0 ||
	    plan_read_sandbox(buf_view(&sandbox_text), &sandbox, &err) < 0)
		fail_msg("%s", err.message);
	return 0;
}

static int tear_down(void **state)
{
	plan_sandbox_clear(&sandbox);
	buf_free(&sandbox_text);
	buf_free(&main_text);
	return 0;
}

int main(void)
{
	cJSON_Hooks hooks = { .malloc_fn = malloc, .free_fn = free }; /* cJSON's own calls go past the linker */
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_memory_there_is_no_sandbox),
		cmocka_unit_test(without_memory_there_is_no_plan_and_not_half_a_plan),
		cmocka_unit_test(without_memory_there_is_no_exec),
	};

	cJSON_InitHooks(&hooks);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
