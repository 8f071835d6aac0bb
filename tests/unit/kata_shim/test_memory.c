// SPDX-License-Identifier: Apache-2.0
/*
 * The first allocation of ours fails, then the second, and so on until none does: what is read is whole, or refused. Half a rule file would
 * send pods to the wrong place. The address sanitizer sees that nothing leaks.
 */
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>
#include <stdlib.h>

#include "kata-shim/cli/settings.h"
#include "kata-shim/record/decision.h"
#include "tests/support/few_allocations.h"

#define ALLOCATIONS_MAX 500

static int read_spec(struct error *err)
{
	_cleanup_(spec_clear) struct spec spec = {};
	int r = spec_parse(
		slice_string("{\"process\":{\"env\":[\"A=b\"]},\"annotations\":{\"io.kubernetes.cri.container-type\":\"sandbox\","
			     "\"io.kubernetes.cri.sandbox-id\":\"5f3a\",\"io.kubernetes.cri.sandbox-name\":\"db-0\"}}"),
		&spec, err);

	allocations_allowed = SIZE_MAX;
	if (r == 0)
		assert_string_equal(spec.name, "db-0");
	else
		assert_null(spec.annotations);
	return r;
}

static int read_rules(struct error *err)
{
	_cleanup_(settings_clear) struct settings settings = {};
	int r = settings_parse(slice_string("sandbox: {rules: [{namespace: a, backend: vm}, {annotations: {a: b}, backend: kata}]}"),
			       &settings, err);

	allocations_allowed = SIZE_MAX;
	assert_int_equal(settings.rules.n, r == 0 ? 2 : 0);
	return r;
}

static int read_decision(struct error *err)
{
	struct decision decision = {};
	int r = decision_parse(slice_string("{\"backend\":\"kata\",\"shim\":\"/a\",\"why\":\"b\"}"), &decision, err);

	allocations_allowed = SIZE_MAX;
	assert_int_equal(decision.backend, r == 0 ? BACKEND_KATA : BACKEND_RUNC);
	return r;
}

static void expect_whole_or_nothing(int (*read)(struct error *err))
{
	size_t allowed = 0;
	int r = -ENOMEM;

	for (; r != 0 && allowed < ALLOCATIONS_MAX; allowed++) {
		struct error err = {};
		allocations_allowed = allowed;
		r = read(&err);
		assert_true(r == 0 || r == -ENOMEM);
	}
	assert_int_equal(r, 0);
	assert_true(allowed > 1); /* at least one has failed */
}

static void test_a_spec_is_read_whole_or_refused(void **state)
{
	expect_whole_or_nothing(read_spec);
}

static void test_rules_are_read_whole_or_refused(void **state)
{
	expect_whole_or_nothing(read_rules);
}

static void test_a_decision_is_read_whole_or_refused(void **state)
{
	expect_whole_or_nothing(read_decision);
}

int main(void)
{
	cJSON_Hooks hooks = { .malloc_fn = malloc, .free_fn = free }; /* cJSON's own calls go past the linker */
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_spec_is_read_whole_or_refused),
		cmocka_unit_test(test_rules_are_read_whole_or_refused),
		cmocka_unit_test(test_a_decision_is_read_whole_or_refused),
	};

	cJSON_InitHooks(&hooks);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
