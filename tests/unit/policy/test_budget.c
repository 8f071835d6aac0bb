// SPDX-License-Identifier: Apache-2.0
/*
 * Policies that are each within their limit, and together above the node's. Pod i of this node is isolated by policy i, which lets web in
 * at port 443, and says so in as many combinations as it is asked to have.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/kube/limits.h"
#include "tests/support/ruleset_eval.h"

#define PODS 100
#define MOST 2047 /* combinations of one policy */
#define FIT (KUBE_NODE_COMBINATIONS_MAX / MOST)
#define TEXT_MAX (64u * 1024 * 1024)

struct world {
	struct scenario pods;
	struct kube_object *policies[PODS];
	struct policy_engine *engine;
	size_t n_rules;
};

/* peers × (names + 1) */
struct size {
	unsigned peers, names;
};
static const struct size largest = { 23, 88 }, small = { 1, 0 };

static struct kube_object *policy_of(unsigned i, struct size size)
{
	_cleanup_(scenario_clear) struct scenario news = {};
	_cleanup_(buf_free) struct buf yaml = BUF_MAX(1 << 20);

	buf_printf(&yaml,
		   "{kind: NetworkPolicy, apiVersion: networking.k8s.io/v1, metadata: {namespace: shop, name: p%02u}, spec: {podSelector: "
		   "{matchLabels: {n: \"%u\"}}, ingress: [{from: [",
		   i, i);
	for (unsigned j = 0; j < size.peers; j++)
		buf_printf(&yaml, "%s{podSelector: {matchLabels: {w: \"%u\"}}}", j ? ", " : "", j);
	buf_string(&yaml, "], ports: [{port: 443}");
	for (unsigned j = 0; j < size.names; j++)
		buf_printf(&yaml, ", {port: p%u}", j);
	buf_string(&yaml, "]}]}}");
	assert_int_equal(scenario_parse(buf_view(&yaml), &news, NULL), 0);
	assert_int_equal(news.objects[0]->policy.combinations, size.peers * (size.names + 1));
	return TAKE_PTR(news.objects[0]);
}

static void start(struct world *world)
{
	_cleanup_(buf_free) struct buf yaml = BUF_MAX(1 << 20);

	*world = (struct world){};
	buf_string(&yaml, "{kind: Pod, apiVersion: v1, metadata: {namespace: shop, name: web, uid: u, labels: {w: \"0\"}}, "
			  "status: {phase: Running, podIPs: [{ip: 10.1.0.2}]}}\n");
	for (unsigned i = 0; i < PODS; i++)
		buf_printf(&yaml,
			   "---\n{kind: Pod, apiVersion: v1, metadata: {namespace: shop, name: d%u, uid: u%u, labels: {n: \"%u\"}}}\n", i,
			   i, i);
	buf_string(&yaml, "---\nendpoints:\n");
	for (unsigned i = 0; i < PODS; i++)
		buf_printf(&yaml, "- {id: c%u/eth0, pod: shop/d%u, uid: u%u, addresses: [10.1.1.%u]}\n", i, i, i, i);
	assert_int_equal(scenario_parse(buf_view(&yaml), &world->pods, NULL), 0);
	world->engine = scenario_engine(&world->pods);
	assert_non_null(world->engine);
}

static void clear(struct world *world)
{
	policy_engine_free(world->engine);
	for (size_t i = 0; i < PODS; i++)
		kube_object_free(world->policies[i]);
	scenario_clear(&world->pods);
}

/* What the limit is for: 2 families, by connection and by header, and what belongs to the chain. */
static void assert_within_limit(struct world *world)
{
	const struct ruleset_chain *chain = NULL;
	size_t n = 0;

	while ((chain = ruleset_next_chain(policy_engine_ruleset(world->engine), chain)))
		if (chain->state != RULESET_DOOMED && strncmp(chain->name, "ingress-policy/", 15) == 0)
			n += chain->n_rules;
	assert_true(n <= 4 * KUBE_NODE_COMBINATIONS_MAX + PODS);
	world->n_rules = n;
}

static void put(struct world *world, unsigned i, struct size size)
{
	struct kube_object *before = world->policies[i];

	world->policies[i] = policy_of(i, size);
	assert_int_equal(policy_engine_changed(world->engine, before, world->policies[i], NULL), 0);
	kube_object_free(before);
	assert_within_limit(world);
}

static void drop(struct world *world, unsigned i)
{
	assert_int_equal(policy_engine_changed(world->engine, world->policies[i], NULL, NULL), 0);
	kube_object_free(TAKE_PTR(world->policies[i]));
}

/* By the rules and by the model, which must agree. */
static bool in_force(struct world *world, unsigned i)
{
	const struct scenario_probe probe = {
		.flow = { .source = { AF_INET, { 10, 1, 0, 2 } },
			  .destination = { AF_INET, { 10, 1, 1, (uint8_t)i } },
			  .protocol = IPPROTO_TCP,
			  .port = 443 },
	};
	struct policy_decision decision;
	bool allowed = ruleset_allows(policy_engine_ruleset(world->engine), &probe);

	policy_decide(world->engine, &probe.flow, &decision);
	assert_int_equal(decision.allowed, allowed);
	assert_int_equal(policy_engine_refusal(world->engine, world->policies[i]) == NULL, allowed);
	return allowed;
}

static void assert_in_force(struct world *world, unsigned first, unsigned n)
{
	struct policy_counts counts;
	size_t refused = 0;

	for (unsigned i = 0; i < PODS; i++) {
		bool expected = i >= first && i < first + n;

		if (!world->policies[i])
			continue;
		refused += !expected;
		if (in_force(world, i) != expected)
			fail_msg("policy p%02u is %s", i, expected ? "refused" : "in force");
	}
	policy_engine_count(world->engine, &counts);
	assert_int_equal(counts.invalid_policies, refused);
}

static void of_a_hundred_at_their_limit_as_many_are_in_force_as_fit_and_the_others_isolate(void **state)
{
	_cleanup_(clear) struct world world;

	start(&world);
	for (unsigned i = 0; i < PODS; i++)
		put(&world, i, largest);
	assert_in_force(&world, 0, FIT);
	assert_true(world.n_rules > 4 * (KUBE_NODE_COMBINATIONS_MAX - MOST));
	assert_non_null(strstr(policy_engine_refusal(world.engine, world.policies[FIT]), "16384 combinations"));
}

static void the_order_in_which_they_come_does_not_matter(void **state)
{
	_cleanup_(clear) struct world world, other;
	_cleanup_(buf_free) struct buf a = BUF_MAX(TEXT_MAX);
	_cleanup_(buf_free) struct buf b = BUF_MAX(TEXT_MAX);

	start(&world);
	start(&other);
	for (unsigned i = 0; i < PODS; i++) {
		put(&world, i, largest);
		put(&other, i * 37 % PODS, largest);
	}
	ruleset_print(policy_engine_ruleset(world.engine), &a);
	ruleset_print(policy_engine_ruleset(other.engine), &b);
	assert_int_equal(a.failed, 0);
	assert_string_equal(buf_text(&a), buf_text(&b));
}

static void a_small_policy_is_in_force_whatever_large_ones_there_are(void **state)
{
	_cleanup_(clear) struct world world;

	start(&world);
	for (unsigned i = 0; i < PODS - 10; i++)
		put(&world, i, largest);
	for (unsigned i = PODS - 10; i < PODS; i++)
		put(&world, i, small);
	for (unsigned i = PODS - 10; i < PODS; i++)
		assert_true(in_force(&world, i));
	assert_false(in_force(&world, FIT));
}

static void when_one_goes_or_shrinks_the_next_takes_its_place(void **state)
{
	_cleanup_(clear) struct world world;

	start(&world);
	for (unsigned i = 0; i < FIT + 4; i++)
		put(&world, i, largest);
	uint64_t refusals = policy_engine_refusals(world.engine);
	drop(&world, 0);
	assert_in_force(&world, 1, FIT);
	assert_true(policy_engine_refusals(world.engine) > refusals);
	put(&world, 1, small);
	assert_in_force(&world, 1, FIT + 1);
	put(&world, 1, largest);
	assert_in_force(&world, 1, FIT);
	put(&world, 0, largest);
	assert_in_force(&world, 0, FIT);
}

static void a_policy_counts_while_it_isolates_a_pod_of_this_node(void **state)
{
	_cleanup_(clear) struct world world;

	start(&world);
	for (unsigned i = 0; i < FIT + 2; i++)
		put(&world, i, largest);
	assert_int_equal(policy_engine_endpoint_remove(world.engine, "c0/eth0", NULL), 0);
	assert_int_equal(policy_engine_endpoint_remove(world.engine, "c1/eth0", NULL), 0);
	for (unsigned i = 2; i < FIT + 2; i++)
		assert_true(in_force(&world, i));
	assert_int_equal(policy_engine_endpoint_put(world.engine, &world.pods.endpoints[0], NULL), 0);
	assert_true(in_force(&world, 0));
	assert_false(in_force(&world, FIT + 1));
}

static void below_the_limit_none_is_refused(void **state)
{
	_cleanup_(clear) struct world world;

	start(&world);
	for (unsigned i = 0; i < PODS; i++)
		put(&world, i, (struct size){ 9, 16 });
	assert_in_force(&world, 0, PODS);
	assert_int_equal(policy_engine_refusals(world.engine), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_a_hundred_at_their_limit_as_many_are_in_force_as_fit_and_the_others_isolate),
		cmocka_unit_test(the_order_in_which_they_come_does_not_matter),
		cmocka_unit_test(a_small_policy_is_in_force_whatever_large_ones_there_are),
		cmocka_unit_test(when_one_goes_or_shrinks_the_next_takes_its_place),
		cmocka_unit_test(a_policy_counts_while_it_isolates_a_pod_of_this_node),
		cmocka_unit_test(below_the_limit_none_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
