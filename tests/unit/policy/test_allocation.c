// SPDX-License-Identifier: Apache-2.0
/*
 * The i-th allocation of our code fails, for every i: the answer is -ENOMEM, nothing is leaked, nothing crashes. Libraries' own
 * allocations (OpenSSL, also where it is linked statically) are not ours and go on.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/scenario.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t n);
void __real_free(void *p);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t n);
void __wrap_free(void *p);

static size_t countdown; /* 0: none fails */
static long balance;
static bool counting;

static bool fails_now(void)
{
	return counting && countdown > 0 && --countdown == 0;
}

static void *counted(void *p)
{
	balance += counting && p;
	return p;
}

void *__wrap_malloc(size_t size)
{
	return fails_now() ? NULL : counted(__real_malloc(size));
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails_now() ? NULL : counted(__real_calloc(n, size));
}

void *__wrap_realloc(void *p, size_t size)
{
	if (fails_now())
		return NULL;
	return p ? __real_realloc(p, size) : counted(__real_realloc(p, size));
}

char *__wrap_strdup(const char *text)
{
	return fails_now() ? NULL : counted(__real_strdup(text));
}

char *__wrap_strndup(const char *text, size_t n)
{
	return fails_now() ? NULL : counted(__real_strndup(text, n));
}

void __wrap_free(void *p)
{
	balance -= counting && p;
	__real_free(p);
}

static void *library_malloc(size_t size, const char *file, int line)
{
	return __real_malloc(size);
}

static void *library_realloc(void *p, size_t size, const char *file, int line)
{
	return __real_realloc(p, size);
}

static void library_free(void *p, const char *file, int line)
{
	__real_free(p);
}

static int feed(struct policy_engine *engine, const struct scenario *scenario)
{
	struct error err = {};
	int r = 0;

	for (size_t i = 0; i < scenario->n_objects && r == 0; i++)
		r = policy_engine_changed(engine, NULL, scenario->objects[i], &err);
	for (size_t i = 0; i < scenario->n_endpoints && r == 0; i++)
		r = policy_engine_endpoint_put(engine, &scenario->endpoints[i], &err);
	if (r == 0)
		ruleset_committed(policy_engine_ruleset(engine));
	for (size_t i = 0; i < scenario->n_objects && r == 0; i++)
		r = policy_engine_changed(engine, scenario->objects[i], NULL, &err);
	for (size_t i = 0; i < scenario->n_objects && r == 0; i++)
		r = policy_engine_changed(engine, NULL, scenario->objects[i], &err);
	if (r < 0)
		assert_string_equal(err.message, "out of memory");
	return r;
}

/* 0, or -ENOMEM; nothing of the engine is left. */
static int run(const struct scenario *scenario, size_t failing)
{
	balance = 0;
	countdown = failing;
	counting = true;
	struct policy_engine *engine = scenario_empty_engine();
	int r = engine ? feed(engine, scenario) : -ENOMEM;
	policy_engine_free(engine);
	counting = false;
	if (balance != 0)
		fail_msg("allocation %zu: %ld blocks are left", failing, balance);
	return r;
}

static void fail_each(const char *folder)
{
	_cleanup_(scenario_clear) struct scenario scenario = {};
	char path[256];
	size_t i = 1;

	snprintf(path, sizeof(path), TEST_DATA "/golden/policy/%s/objects.yaml", folder);
	assert_int_equal(scenario_load(path, &scenario, NULL), 0);
	assert_int_equal(run(&scenario, 0), 0);
	for (int r = -1; r != 0; i++) {
		r = run(&scenario, i);
		if (r != 0)
			assert_int_equal(r, -ENOMEM);
		else
			assert_true(countdown > 0); /* it was never reached: all others have failed */
	}
	print_message("%s: %zu allocations\n", folder, i - 2);
	assert_true(i > 100);
}

static void test_every_allocation_may_fail_with_selectors(void **state)
{
	fail_each("S06-peers-by-pod-by-namespace-and-by-both");
}

static void test_every_allocation_may_fail_with_blocks(void **state)
{
	fail_each("S08-blocks-with-excepts");
}

static void test_every_allocation_may_fail_with_ports(void **state)
{
	fail_each("S09-ports-of-one-protocol-never-open-another");
}

static void test_every_allocation_may_fail_with_named_ports(void **state)
{
	fail_each("S10-named-port-on-ingress-is-the-selected-pods");
	fail_each("S10-named-port-on-egress-is-the-peers");
}

static void test_every_allocation_may_fail_with_quarantine(void **state)
{
	fail_each("S17-quarantined-until-its-object-is-known");
}

static void test_every_allocation_may_fail_in_a_rebase(void **state)
{
	_cleanup_(scenario_clear) struct scenario scenario = {};
	_cleanup_(policy_engine_freep) struct policy_engine *engine = NULL;
	int r = -ENOMEM;

	assert_int_equal(
		scenario_load(TEST_DATA "/golden/policy/S03-policies-add-up-and-both-ends-must-allow/objects.yaml", &scenario, NULL), 0);
	engine = scenario_engine(&scenario);
	const struct ruleset_log log = { .group = 1, .rate = 1, .burst = 1 };

	for (size_t i = 1; r != 0; i++) {
		struct ruleset *wanted = NULL;

		balance = 0;
		countdown = i;
		counting = true;
		wanted = ruleset_new(RULESET_INET);
		r = wanted ? policy_skeleton(wanted, &log, NULL) : -ENOMEM;
		if (r == 0)
			r = ruleset_rebase(wanted, policy_engine_ruleset(engine), NULL);
		if (i == 1)
			assert_int_equal(r, -ENOMEM);
		ruleset_free(wanted);
		counting = false;
		assert_int_equal(balance, 0);
		assert_true(r == 0 || r == -ENOMEM);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_allocation_may_fail_with_selectors),
		cmocka_unit_test(test_every_allocation_may_fail_with_blocks),
		cmocka_unit_test(test_every_allocation_may_fail_with_ports),
		cmocka_unit_test(test_every_allocation_may_fail_with_named_ports),
		cmocka_unit_test(test_every_allocation_may_fail_with_quarantine),
		cmocka_unit_test(test_every_allocation_may_fail_in_a_rebase),
	};

	if (!CRYPTO_set_mem_functions(library_malloc, library_realloc, library_free))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
