// SPDX-License-Identifier: Apache-2.0
/*
 * What diff says of a change, held against the oracle before and after it: on random clusters, for every pair of pods and addresses
 * outside, on every port that matters. HOLDFAST_SEED repeats a run, HOLDFAST_CASES makes it longer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cni-plugin/policy/survey.h"
#include "common/base/array.h"
#include "tests/support/oracle.h"
#include "tests/support/random_cluster.h"

#define CASES 300
#define CHANGES_MAX 3

static const struct random_options options = { .pods = 6, .policies = 6, .probes = 1 };

struct world {
	struct scenario before, after, changed; /* changed: the policies that are applied */
	struct policy_engine *engine;
	struct policy_change changes[CHANGES_MAX];
	size_t n_changes;
	struct policy_view old_view, new_view;
	struct survey survey;
	struct survey_changes diff;
};

static void world_clear(struct world *world)
{
	survey_changes_clear(&world->diff);
	survey_clear(&world->survey);
	policy_engine_free(world->engine);
	scenario_clear(&world->before);
	scenario_clear(&world->after);
	scenario_clear(&world->changed);
}

static void copy_scenario(const struct scenario *from, struct scenario *to)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(1024u * 1024);

	scenario_print(from, &text);
	assert_int_equal(scenario_parse(buf_view(&text), to, NULL), 0);
}

static struct kube_object **find(struct scenario *scenario, const struct policy_change *change)
{
	for (size_t i = 0; i < scenario->n_objects; i++) {
		const struct kube_object *object = scenario->objects[i];

		if (object->kind == KUBE_NETWORK_POLICY && strcmp(object->namespace, change->namespace) == 0 &&
		    strcmp(object->name, change->name) == 0)
			return &scenario->objects[i];
	}
	return NULL;
}

static struct kube_object *copy_policy(const struct kube_object *policy)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(256u * 1024);
	struct scenario one = {};

	scenario_print_object(policy, &text);
	assert_int_equal(scenario_parse(buf_view(&text), &one, NULL), 0);
	struct kube_object *object = TAKE_PTR(one.objects[0]);
	one.n_objects = 0;
	scenario_clear(&one);
	return object;
}

/* What `kubectl apply` or `delete` would make of the scenario. */
static void apply(struct scenario *scenario, const struct policy_change *change)
{
	struct kube_object **old = find(scenario, change);

	if (old) {
		kube_object_free(*old);
		*old = scenario->objects[--scenario->n_objects];
	}
	if (!change->after)
		return;
	assert_true(
		array_room((void **)&scenario->objects, scenario->n_objects, &scenario->objects_capacity, sizeof(struct kube_object *)));
	scenario->objects[scenario->n_objects++] = copy_policy(change->after);
}

static bool is_named_twice(const struct world *world, const struct policy_change *change)
{
	for (size_t i = 0; i < world->n_changes; i++)
		if (policy_change_compare(&world->changes[i], change) == 0)
			return true;
	return false;
}

static void choose_changes(struct world *world, struct random *random)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(1024u * 1024);
	size_t n = 1 + random_below(random, CHANGES_MAX);

	for (size_t i = 0; i < n; i++)
		random_policy(random, &options, &text);
	assert_int_equal(scenario_parse(buf_view(&text), &world->changed, NULL), 0);
	for (size_t i = 0; i < world->changed.n_objects; i++) {
		const struct kube_object *policy = world->changed.objects[i];
		struct policy_change change = { policy->namespace, policy->name, random_chance(random, 25) ? NULL : policy };

		if (!is_named_twice(world, &change))
			world->changes[world->n_changes++] = change;
	}
	qsort(world->changes, world->n_changes, sizeof(world->changes[0]), policy_change_compare);
}

static void make_world(struct random *random, struct world *world)
{
	random_cluster(random, &options, &world->before);
	copy_scenario(&world->before, &world->after);
	choose_changes(world, random);
	for (size_t i = 0; i < world->n_changes; i++)
		apply(&world->after, &world->changes[i]);
	world->engine = scenario_engine(&world->before);
	assert_non_null(world->engine);
	world->old_view = (struct policy_view){ .engine = world->engine };
	world->new_view = (struct policy_view){ world->engine, world->changes, world->n_changes };
	assert_int_equal(survey_build(&world->old_view, &world->new_view, &world->survey, NULL), 0);
	assert_int_equal(survey_diff(&world->survey, &world->diff, NULL), 0);
	assert_false(world->survey.cut_short);
}

static bool class_has(const struct world *world, const struct survey_class *class, const struct kube_address *address)
{
	const struct policy_end end = policy_end_of(world->engine, address);
	interval_number number = interval_address(address);

	if (class->n_pods == 0)
		return class->addresses[address->family == AF_INET6].family && number >= class->range.first &&
		       number <= class->range.last && !policy_end_pod(&end);
	for (size_t i = 0; i < class->n_pods; i++)
		if (policy_end_pod(&end) == class->pods[i])
			return true;
	return false;
}

static bool list_has(const struct world *world, const uint32_t *list, size_t n, const struct kube_address *address)
{
	for (size_t i = 0; i < n; i++)
		if (class_has(world, &world->survey.classes[list[i]], address))
			return true;
	return false;
}

/* -1: becomes blocked, 1: becomes allowed, 0: not in the diff. */
static int told(const struct world *world, const struct policy_flow *flow)
{
	uint8_t family = flow->source.family == AF_INET ? 1 : 2;

	for (size_t i = 0; i < world->diff.n; i++) {
		const struct survey_change *change = &world->diff.items[i];

		if (!(change->families & family) || !list_has(world, change->from, change->n_from, &flow->source) ||
		    !list_has(world, change->to, change->n_to, &flow->destination))
			continue;
		for (size_t j = 0; j < change->n_ports; j++)
			if (change->ports[j].protocol == flow->protocol && change->ports[j].first <= flow->port &&
			    flow->port <= change->ports[j].last)
				return change->becomes_allowed ? 1 : -1;
	}
	return 0;
}

struct addresses_list {
	struct kube_address items[64];
	size_t n;
};

static void list_addresses(const struct world *world, struct addresses_list *list)
{
	for (size_t i = 0; i < world->before.n_endpoints; i++)
		for (size_t j = 0; j < world->before.endpoints[i].n_addresses; j++)
			list->items[list->n++] = world->before.endpoints[i].addresses[j];
	for (size_t i = 0; i < RANDOM_OUTSIDE; i++)
		assert_int_equal(kube_address_parse(random_outside[i], &list->items[list->n++], NULL), 0);
}

struct tally {
	size_t probes, blocked, allowed;
};

static void check_flow(const struct world *world, const struct policy_flow *flow, uint64_t seed, struct tally *tally)
{
	const struct scenario_probe probe = { .flow = *flow };
	bool before = oracle_allows(&world->before, &probe, false), after = oracle_allows(&world->after, &probe, false);
	int expected = before == after ? 0 : after ? 1 : -1, got = told(world, flow);
	_cleanup_(buf_free) struct buf text = BUF_MAX(1024u * 1024);

	tally->probes++;
	tally->blocked += expected < 0;
	tally->allowed += expected > 0;
	if (expected == got)
		return;
	scenario_print(&world->before, &text);
	for (size_t i = 0; i < world->n_changes; i++) {
		buf_printf(&text, "# %s %s/%s\n", world->changes[i].after ? "apply" : "delete", world->changes[i].namespace,
			   world->changes[i].name);
		if (world->changes[i].after)
			scenario_print_object(world->changes[i].after, &text);
	}
	scenario_print_probe(&probe, &text);
	fprintf(stderr, "HOLDFAST_SEED=%llu: diff says %d, the oracle %d\n%s\n", (unsigned long long)seed, got, expected, buf_text(&text));
	fail();
}

static void check_world(const struct world *world, uint64_t seed, struct tally *tally)
{
	static const uint8_t protocols[] = { KUBE_PROTOCOL_TCP, KUBE_PROTOCOL_UDP };
	struct addresses_list list = {};

	list_addresses(world, &list);
	for (size_t i = 0; i < list.n; i++)
		for (size_t j = 0; j < list.n; j++)
			for (size_t k = 0; k < RANDOM_PORTS * ELEMENTS_OF(protocols); k++) {
				const struct policy_flow flow = { list.items[i], list.items[j], protocols[k % 2], random_ports[k / 2],
								  false };

				if (i != j && flow.source.family == flow.destination.family)
					check_flow(world, &flow, seed, tally);
			}
}

static void test_diff_is_what_the_oracle_says_before_and_after(void **state)
{
	const char *seed_text = getenv("HOLDFAST_SEED"), *cases_text = getenv("HOLDFAST_CASES");
	uint64_t seed = seed_text ? strtoull(seed_text, NULL, 10) : 20250401;
	uint64_t cases = cases_text ? strtoull(cases_text, NULL, 10) : seed_text ? 1 : CASES;
	struct tally tally = {};

	for (uint64_t i = 0; i < cases; i++) {
		_cleanup_(world_clear) struct world world = {};
		struct random random = { seed + i };

		make_world(&random, &world);
		check_world(&world, seed + i, &tally);
	}
	print_message("%zu connections, %zu become blocked, %zu allowed\n", tally.probes, tally.blocked, tally.allowed);
	if (cases >= CASES)
		assert_true(tally.blocked > tally.probes / 100 && tally.allowed > tally.probes / 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_diff_is_what_the_oracle_says_before_and_after) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
