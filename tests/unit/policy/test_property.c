// SPDX-License-Identifier: Apache-2.0
/*
 * Random clusters judged by three: the oracle (from the objects alone), the model, and the ruleset. HOLDFAST_SEED repeats a run,
 * HOLDFAST_CASES makes it longer. A disagreement is shrunk and printed as YAML.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/support/oracle.h"
#include "tests/support/random_cluster.h"
#include "tests/support/ruleset_eval.h"

#define CASES 2000 /* of each kind */

typedef bool disagreement(const struct scenario *scenario);

static bool model_disagrees(const struct scenario *scenario)
{
	_cleanup_(policy_engine_freep) struct policy_engine *engine = scenario_engine(scenario);

	assert_non_null(engine);
	for (size_t i = 0; i < scenario->n_probes; i++) {
		struct policy_decision decision;

		policy_decide(engine, &scenario->probes[i].flow, &decision);
		if (decision.allowed != oracle_allows(scenario, &scenario->probes[i], false))
			return true;
	}
	return false;
}

static bool ruleset_disagrees(const struct scenario *scenario)
{
	_cleanup_(policy_engine_freep) struct policy_engine *engine = scenario_engine(scenario);

	assert_non_null(engine);
	for (size_t i = 0; i < scenario->n_probes; i++)
		if (ruleset_allows(policy_engine_ruleset(engine), &scenario->probes[i]) !=
		    oracle_allows(scenario, &scenario->probes[i], true))
			return true;
	return false;
}

static void report(struct scenario *scenario, disagreement *fails, const char *who, uint64_t seed, unsigned number)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(1024u * 1024);
	_cleanup_(policy_engine_freep) struct policy_engine *engine = NULL;

	scenario_shrink(scenario, fails);
	scenario_print(scenario, &text);
	engine = scenario_engine(scenario);
	buf_printf(&text, "# oracle: %s\n",
		   oracle_allows(scenario, &scenario->probes[0], fails == ruleset_disagrees) ? "allowed" : "denied");
	if (engine)
		policy_engine_print(engine, &text);
	fprintf(stderr, "the %s and the oracle disagree (HOLDFAST_SEED=%llu, case %u); the smallest case:\n%s\n", who,
		(unsigned long long)seed, number, buf_text(&text));
	fail();
}

static uint64_t number_of(const char *variable, uint64_t otherwise)
{
	const char *text = getenv(variable);

	return text ? strtoull(text, NULL, 10) : otherwise;
}

static void run(struct random_options options)
{
	uint64_t seed = number_of("HOLDFAST_SEED", 20250301), cases = number_of("HOLDFAST_CASES", CASES);
	size_t probes = 0, allowed = 0;

	print_message("HOLDFAST_SEED=%llu, %llu cases\n", (unsigned long long)seed, (unsigned long long)cases);
	for (unsigned i = 0; i < cases; i++) {
		_cleanup_(scenario_clear) struct scenario scenario = {};
		struct random random = { seed + i };

		random_cluster(&random, &options, &scenario);
		if (model_disagrees(&scenario))
			report(&scenario, model_disagrees, "model", seed, i);
		if (ruleset_disagrees(&scenario))
			report(&scenario, ruleset_disagrees, "ruleset", seed, i);
		for (size_t j = 0; j < scenario.n_probes; j++)
			allowed += oracle_allows(&scenario, &scenario.probes[j], false);
		probes += scenario.n_probes;
	}
	/* Clusters in which all is allowed, or nothing, would prove nothing. */
	print_message("%zu probes, %zu allowed\n", probes, allowed);
	assert_in_range(allowed * 100 / probes, 20, 80);
}

static const struct random_options plain = { .pods = 6, .policies = 6, .probes = 12 };
static const struct random_options odd = { .pods = 7, .policies = 8, .probes = 12, .oddities = true };

static void test_model_and_ruleset_agree_with_the_oracle(void **state)
{
	run(plain);
}

static void test_model_and_ruleset_agree_with_the_oracle_on_oddities(void **state)
{
	run(odd);
}

static void print_again(const struct scenario *scenario, struct buf *out)
{
	_cleanup_(scenario_clear) struct scenario again = {};
	_cleanup_(buf_free) struct buf text = BUF_MAX(1024u * 1024);
	struct error err = {};

	scenario_print(scenario, &text);
	if (scenario_parse(buf_view(&text), &again, &err) < 0)
		fail_msg("%s\n%s", err.message, buf_text(&text));
	scenario_print(&again, out);
}

/* What a shrunk case prints must be the case itself. */
static void test_printed_case_reads_the_same(void **state)
{
	for (unsigned i = 0; i < 200; i++) {
		_cleanup_(scenario_clear) struct scenario scenario = {};
		_cleanup_(buf_free) struct buf first = BUF_MAX(1024u * 1024);
		_cleanup_(buf_free) struct buf second = BUF_MAX(1024u * 1024);
		struct random random = { i };

		random_cluster(&random, &plain, &scenario);
		scenario_print(&scenario, &first);
		print_again(&scenario, &second);
		assert_string_equal(buf_text(&first), buf_text(&second));
	}
}

static bool denies_something_to_port_80(const struct scenario *scenario)
{
	for (size_t i = 0; i < scenario->n_probes; i++)
		if (scenario->probes[i].flow.port == 80 && !oracle_allows(scenario, &scenario->probes[i], false))
			return true;
	return false;
}

static void test_shrinking_keeps_the_failure_and_little_else(void **state)
{
	for (unsigned i = 0; i < 50; i++) {
		_cleanup_(scenario_clear) struct scenario scenario = {};
		struct random random = { i };

		random_cluster(&random, &plain, &scenario);
		if (!denies_something_to_port_80(&scenario))
			continue;
		scenario_shrink(&scenario, denies_something_to_port_80);
		assert_true(denies_something_to_port_80(&scenario));
		assert_int_equal(scenario.n_probes, 1);
		assert_in_range(scenario.n_objects, 0, 2); /* a pod and the policy that isolates it */
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_model_and_ruleset_agree_with_the_oracle),
		cmocka_unit_test(test_model_and_ruleset_agree_with_the_oracle_on_oddities),
		cmocka_unit_test(test_printed_case_reads_the_same),
		cmocka_unit_test(test_shrinking_keeps_the_failure_and_little_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
