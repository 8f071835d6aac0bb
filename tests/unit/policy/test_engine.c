// SPDX-License-Identifier: Apache-2.0
/* Changes over time (facts S16 to S18) and what an event may cost. Semantics at rest are golden cases. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/ruleset_eval.h"

#define WEB                                                                                                                                \
	"{kind: Pod, apiVersion: v1, metadata: {namespace: shop, name: web, uid: u1, labels: {app: web}}, "                                \
	"status: {phase: Running, podIPs: [{ip: 10.1.0.2}]}}\n---\n"
#define DB                                                                                                                                 \
	"{kind: Pod, apiVersion: v1, metadata: {namespace: shop, name: db, uid: u2, labels: {app: db}}, "                                  \
	"status: {phase: Running, podIPs: [{ip: 10.1.0.3}]}}\n---\n"
#define SHOP "{kind: Namespace, apiVersion: v1, metadata: {name: shop, labels: {team: a}}}\n---\n"
#define DB_FROM_WEB                                                                                                                        \
	"{kind: NetworkPolicy, apiVersion: networking.k8s.io/v1, metadata: {namespace: shop, name: db}, "                                  \
	"spec: {podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {app: web}}}]}]}}\n---\n"
#define DB_ENDPOINT "endpoints: [{id: c2/eth0, pod: shop/db, uid: u2, addresses: [10.1.0.3]}]\n"

static const struct scenario_probe web_to_db = {
	.flow = { .source = { AF_INET, { 10, 1, 0, 2 } },
		  .destination = { AF_INET, { 10, 1, 0, 3 } },
		  .protocol = IPPROTO_TCP,
		  .port = 80 },
};

/* An engine and the scenario that it points into. */
struct world {
	struct scenario scenario;
	struct policy_engine *engine;
};

static void world_clear(struct world *world)
{
	policy_engine_free(world->engine);
	scenario_clear(&world->scenario);
}

static struct world world_of(const char *yaml)
{
	struct world world = {};
	struct error err = {};

	if (scenario_parse(slice_string(yaml), &world.scenario, &err) < 0)
		fail_msg("%s", err.message);
	world.engine = scenario_engine(&world.scenario);
	assert_non_null(world.engine);
	ruleset_committed(policy_engine_ruleset(world.engine));
	return world;
}

/* Replaces the object of the same kind, namespace and name, or adds it. */
static void put(struct world *world, const char *yaml)
{
	_cleanup_(scenario_clear) struct scenario news = {};
	struct kube_object *before = NULL, **place = NULL;

	assert_int_equal(scenario_parse(slice_string(yaml), &news, NULL), 0);
	for (size_t i = 0; i < world->scenario.n_objects; i++) {
		struct kube_object *object = world->scenario.objects[i];

		if (object->kind == news.objects[0]->kind && strcmp(object->name, news.objects[0]->name) == 0)
			place = &world->scenario.objects[i];
	}
	if (!place) {
		world->scenario.objects = realloc(world->scenario.objects, (world->scenario.n_objects + 1) * sizeof(*place));
		assert_non_null(world->scenario.objects);
		place = &world->scenario.objects[world->scenario.n_objects++];
		*place = NULL;
	}
	before = *place;
	*place = TAKE_PTR(news.objects[0]);
	assert_int_equal(policy_engine_changed(world->engine, before, *place, NULL), 0);
	kube_object_free(before);
}

static void drop(struct world *world, enum kube_kind kind, const char *name)
{
	for (size_t i = 0; i < world->scenario.n_objects; i++) {
		struct kube_object *object = world->scenario.objects[i];

		if (object->kind != kind || strcmp(object->name, name) != 0)
			continue;
		world->scenario.objects[i] = world->scenario.objects[--world->scenario.n_objects];
		assert_int_equal(policy_engine_changed(world->engine, object, NULL, NULL), 0);
		kube_object_free(object);
		return;
	}
	fail_msg("no object \"%s\"", name);
}

static bool allowed(const struct world *world)
{
	return ruleset_allows(policy_engine_ruleset(world->engine), &web_to_db);
}

struct pending {
	size_t chains, sets, elements;
};

static struct pending pending_of(const struct world *world)
{
	const struct ruleset *ruleset = policy_engine_ruleset(world->engine);
	struct pending pending = {};

	for (struct ruleset_chain *chain = NULL; (chain = ruleset_next_pending_chain(ruleset, chain));)
		pending.chains += chain->state != RULESET_SAME;
	for (struct ruleset_set *set = NULL; (set = ruleset_next_pending_set(ruleset, set));) {
		pending.sets += set->state != RULESET_SAME;
		pending.elements += set->added.n + set->removed.n;
	}
	return pending;
}

static void assert_pending(const struct world *world, size_t chains, size_t sets, size_t elements)
{
	struct pending pending = pending_of(world);

	assert_int_equal(pending.chains, chains);
	assert_int_equal(pending.sets, sets);
	assert_int_equal(pending.elements, elements);
}

static void test_label_of_a_peer_opens_and_closes(void **state)
{
	_cleanup_(world_clear) struct world world = world_of(SHOP WEB DB DB_FROM_WEB DB_ENDPOINT);

	assert_true(allowed(&world));
	put(&world, "{kind: Pod, apiVersion: v1, metadata: {namespace: shop, name: web, uid: u1, labels: {app: ex}}, "
		    "status: {phase: Running, podIPs: [{ip: 10.1.0.2}]}}");
	assert_false(allowed(&world));
	assert_pending(&world, 0, 0, 1);
	put(&world, WEB);
	assert_true(allowed(&world));
	assert_pending(&world, 0, 0, 0);
}

static void test_label_of_the_target_isolates_and_frees(void **state)
{
	_cleanup_(world_clear) struct world world = world_of(SHOP DB DB_FROM_WEB DB_ENDPOINT);

	assert_false(allowed(&world));
	put(&world, "{kind: Pod, apiVersion: v1, metadata: {namespace: shop, name: db, uid: u2}, "
		    "status: {phase: Running, podIPs: [{ip: 10.1.0.3}]}}");
	assert_true(allowed(&world));
}

static void test_deleted_policy_frees_its_pods(void **state)
{
	_cleanup_(world_clear) struct world world = world_of(SHOP DB DB_FROM_WEB DB_ENDPOINT);
	struct policy_counts counts;

	assert_false(allowed(&world));
	drop(&world, KUBE_NETWORK_POLICY, "db");
	assert_true(allowed(&world));
	policy_engine_count(world.engine, &counts);
	assert_int_equal(counts.isolated_ingress, 0);
	assert_int_equal(counts.peer_sets, 0);
}

static void test_label_of_a_namespace_opens_and_closes(void **state)
{
	_cleanup_(world_clear) struct world world = world_of(
		SHOP WEB DB DB_ENDPOINT
		"---\n{kind: NetworkPolicy, apiVersion: networking.k8s.io/v1, metadata: {namespace: shop, name: db}, "
		"spec: {podSelector: {matchLabels: {app: db}}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: a}}}]}]}}");

	assert_true(allowed(&world));
	put(&world, "{kind: Namespace, apiVersion: v1, metadata: {name: shop, labels: {team: b}}}");
	assert_false(allowed(&world));
	put(&world, SHOP);
	assert_true(allowed(&world));
	drop(&world, KUBE_NAMESPACE, "shop");
	assert_false(allowed(&world)); /* unknown namespaces match no selector */
}

static void test_changed_address_moves_in_its_sets(void **state)
{
	_cleanup_(world_clear) struct world world = world_of(SHOP WEB DB DB_FROM_WEB DB_ENDPOINT);

	put(&world, "{kind: Pod, apiVersion: v1, metadata: {namespace: shop, name: web, uid: u1, labels: {app: web}}, "
		    "status: {phase: Running, podIPs: [{ip: 10.1.0.9}]}}");
	assert_false(allowed(&world));
	assert_pending(&world, 0, 0, 2);
}

static void test_address_stays_until_its_last_claimant_goes(void **state)
{
	_cleanup_(world_clear) struct world world = world_of(SHOP WEB DB DB_FROM_WEB DB_ENDPOINT);

	put(&world, "{kind: Pod, apiVersion: v1, metadata: {namespace: shop, name: web2, uid: u9, labels: {app: web}}, "
		    "status: {phase: Running, podIPs: [{ip: 10.1.0.2}]}}");
	drop(&world, KUBE_POD, "web");
	assert_true(allowed(&world));
	assert_pending(&world, 0, 0, 0);
	drop(&world, KUBE_POD, "web2");
	assert_false(allowed(&world));
}

static void test_event_without_meaning_costs_nothing(void **state)
{
	_cleanup_(world_clear) struct world world = world_of(SHOP WEB DB DB_FROM_WEB DB_ENDPOINT);

	put(&world, "{kind: Pod, apiVersion: v1, metadata: {namespace: shop, name: web, uid: u1, labels: {app: web, heartbeat: \"7\"}}, "
		    "spec: {containers: [{name: c, ports: [{name: http, containerPort: 80}]}]}, "
		    "status: {phase: Pending, podIPs: [{ip: 10.1.0.2}]}}");
	put(&world, "{kind: Pod, apiVersion: v1, metadata: {namespace: far, name: other, uid: u7, labels: {app: web}}, "
		    "status: {phase: Running, podIPs: [{ip: 10.1.0.7}]}}");
	put(&world, "{kind: NetworkPolicy, apiVersion: networking.k8s.io/v1, metadata: {namespace: far, name: elsewhere}, spec: "
		    "{podSelector: {}}}");
	assert_false(ruleset_is_pending(policy_engine_ruleset(world.engine)));
}

static void test_policy_update_touches_its_chain_alone(void **state)
{
	_cleanup_(world_clear) struct world world = world_of(SHOP WEB DB DB_FROM_WEB DB_ENDPOINT);

	put(&world, "{kind: NetworkPolicy, apiVersion: networking.k8s.io/v1, metadata: {namespace: shop, name: db}, "
		    "spec: {podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {app: web}}}], ports: "
		    "[{port: 80}]}]}}");
	assert_true(allowed(&world));
	assert_pending(&world, 1, 0, 0);
}

static void test_second_pod_with_the_same_policies_costs_one_element_a_map(void **state)
{
	_cleanup_(world_clear) struct world world = world_of(SHOP WEB DB DB_FROM_WEB DB_ENDPOINT);
	struct policy_endpoint endpoint = { .id = "c3/eth0",
					    .namespace = "shop",
					    .pod = "db2",
					    .uid = "u3",
					    .n_addresses = 1,
					    .addresses = { { AF_INET, { 10, 1, 0, 4 } } } };

	put(&world, "{kind: Pod, apiVersion: v1, metadata: {namespace: shop, name: db2, uid: u3, labels: {app: db}}}");
	assert_pending(&world, 0, 0, 0);
	assert_int_equal(policy_engine_endpoint_put(world.engine, &endpoint, NULL), 0);
	assert_pending(&world, 0, 0, 1);
}

static void test_policy_that_isolates_no_pod_here_is_not_compiled(void **state)
{
	_cleanup_(world_clear) struct world world = world_of(SHOP WEB DB DB_FROM_WEB);

	assert_null(ruleset_chain_find(policy_engine_ruleset(world.engine), "ingress-policy/shop/db"));
}

static void test_quarantine_ends_when_the_object_comes(void **state)
{
	_cleanup_(world_clear) struct world world = world_of(SHOP DB_ENDPOINT);

	assert_int_equal(policy_engine_endpoint_state(world.engine, "c2/eth0"), POLICY_ENDPOINT_QUARANTINED);
	assert_false(allowed(&world));
	put(&world, DB);
	assert_int_equal(policy_engine_endpoint_state(world.engine, "c2/eth0"), POLICY_ENDPOINT_READY);
	assert_true(allowed(&world));
	drop(&world, KUBE_POD, "db");
	assert_int_equal(policy_engine_endpoint_state(world.engine, "c2/eth0"), POLICY_ENDPOINT_QUARANTINED);
	assert_false(allowed(&world));
}

static void test_leaving_endpoint_is_quarantined_whatever_object_there_is(void **state)
{
	_cleanup_(world_clear) struct world world = world_of(SHOP WEB DB DB_ENDPOINT);
	struct policy_endpoint leaving = world.scenario.endpoints[0];

	assert_true(allowed(&world));
	leaving.leaving = true;
	assert_int_equal(policy_engine_endpoint_put(world.engine, &leaving, NULL), 0);
	assert_int_equal(policy_engine_endpoint_state(world.engine, "c2/eth0"), POLICY_ENDPOINT_QUARANTINED);
	assert_false(allowed(&world));
	put(&world, "{kind: Pod, apiVersion: v1, metadata: {namespace: shop, name: db, uid: u2, labels: {app: other}}}");
	assert_false(allowed(&world));
	assert_int_equal(policy_engine_endpoint_remove(world.engine, "c2/eth0", NULL), 0);
	assert_true(allowed(&world));
}

static void test_object_of_the_predecessor_does_not_open_its_successor(void **state)
{
	_cleanup_(world_clear) struct world world =
		world_of(SHOP DB "endpoints: [{id: c9/eth0, pod: shop/db, uid: u9, addresses: [10.1.0.3]}]\n");

	assert_int_equal(policy_engine_endpoint_state(world.engine, "c9/eth0"), POLICY_ENDPOINT_QUARANTINED);
	put(&world, "{kind: Pod, apiVersion: v1, metadata: {namespace: shop, name: db, uid: u9}}");
	assert_int_equal(policy_engine_endpoint_state(world.engine, "c9/eth0"), POLICY_ENDPOINT_READY);
}

static void test_newest_endpoint_has_the_address(void **state)
{
	_cleanup_(world_clear) struct world world = world_of(SHOP DB DB_FROM_WEB DB_ENDPOINT);
	struct policy_endpoint next = { .id = "c5/eth0",
					.namespace = "shop",
					.pod = "free",
					.uid = "u5",
					.n_addresses = 1,
					.addresses = { { AF_INET, { 10, 1, 0, 3 } } } };

	put(&world, "{kind: Pod, apiVersion: v1, metadata: {namespace: shop, name: free, uid: u5}}");
	assert_false(allowed(&world));
	assert_int_equal(policy_engine_endpoint_put(world.engine, &next, NULL), 0);
	assert_true(allowed(&world));
	assert_int_equal(policy_engine_endpoint_remove(world.engine, "c5/eth0", NULL), 0);
	assert_false(allowed(&world));
}

static void test_endpoint_put_again_unchanged_costs_nothing(void **state)
{
	_cleanup_(world_clear) struct world world = world_of(SHOP WEB DB DB_FROM_WEB DB_ENDPOINT);

	assert_int_equal(policy_engine_endpoint_put(world.engine, &world.scenario.endpoints[0], NULL), 0);
	assert_false(ruleset_is_pending(policy_engine_ruleset(world.engine)));
	assert_int_equal(policy_engine_endpoint_remove(world.engine, "nobody/eth0", NULL), 0);
	assert_int_equal(policy_engine_endpoint_state(world.engine, "nobody/eth0"), POLICY_ENDPOINT_UNKNOWN);
}

static void test_quarantine_can_be_put_into_any_ruleset_with_the_fixed_part(void **state)
{
	_cleanup_(ruleset_freep) struct ruleset *ruleset = ruleset_new(RULESET_INET);
	struct policy_endpoint endpoint = { .id = "c1/eth0",
					    .namespace = "shop",
					    .pod = "db",
					    .uid = "",
					    .n_addresses = 1,
					    .addresses = { { AF_INET, { 10, 1, 0, 3 } } } };

	assert_true(policy_quarantine_put(ruleset, &endpoint, NULL) < 0);
	assert_int_equal(policy_skeleton(ruleset, &(struct ruleset_log){ .group = 1, .rate = 1, .burst = 1 }, NULL), 0);
	assert_true(ruleset_allows(ruleset, &web_to_db));
	assert_int_equal(policy_quarantine_put(ruleset, &endpoint, NULL), 0);
	assert_false(ruleset_allows(ruleset, &web_to_db));
	assert_int_equal(policy_quarantine_remove(ruleset, &endpoint, NULL), 0);
	assert_true(ruleset_allows(ruleset, &web_to_db));
}

static int remember(void *context, const struct kube_object *policy, const char *reason)
{
	*(const struct kube_object **)context = policy;
	return 7;
}

static void test_invalid_policies_are_counted_and_named(void **state)
{
	_cleanup_(world_clear) struct world world =
		world_of(SHOP DB_FROM_WEB "{kind: NetworkPolicy, apiVersion: networking.k8s.io/v1, metadata: {namespace: shop, name: bad}, "
					  "spec: {podSelector: {}, ingress: [{ports: [{port: 0}]}]}}");
	const struct kube_object *bad = NULL;
	struct policy_counts counts;

	policy_engine_count(world.engine, &counts);
	assert_int_equal(counts.policies, 2);
	assert_int_equal(counts.invalid_policies, 1);
	assert_int_equal(policy_engine_each_invalid(world.engine, remember, &bad), 7);
	assert_string_equal(bad->name, "bad");
	assert_string_equal(policy_engine_refusal(world.engine, bad), bad->policy.invalid);
}

/* The longest names that Kubernetes allows, twice, different only at their end. */
static void test_longest_policy_names_keep_chains_apart(void **state)
{
	_cleanup_(buf_free) struct buf yaml = BUF_MAX(16384);
	char name[254];

	memset(name, 'n', sizeof(name) - 1);
	name[253] = '\0';
	buf_string(&yaml, "{kind: Pod, apiVersion: v1, metadata: {namespace: shop, name: db, uid: u2}}\n---\n");
	for (char last = 'a'; last <= 'b'; last++) {
		name[252] = last;
		buf_printf(&yaml,
			   "{kind: NetworkPolicy, apiVersion: networking.k8s.io/v1, metadata: {namespace: shop, name: %s}, "
			   "spec: {podSelector: {}, ingress: [{ports: [{port: %d}]}]}}\n---\n",
			   name, last);
	}
	buf_string(&yaml, DB_ENDPOINT);
	_cleanup_(world_clear) struct world world = world_of(buf_text(&yaml));
	struct scenario_probe probe = web_to_db;
	for (uint16_t port = 'a'; port <= 'c'; port++) {
		probe.flow.port = port;
		assert_int_equal(ruleset_allows(policy_engine_ruleset(world.engine), &probe), port <= 'b');
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_label_of_a_peer_opens_and_closes),
		cmocka_unit_test(test_label_of_the_target_isolates_and_frees),
		cmocka_unit_test(test_deleted_policy_frees_its_pods),
		cmocka_unit_test(test_label_of_a_namespace_opens_and_closes),
		cmocka_unit_test(test_changed_address_moves_in_its_sets),
		cmocka_unit_test(test_address_stays_until_its_last_claimant_goes),
		cmocka_unit_test(test_event_without_meaning_costs_nothing),
		cmocka_unit_test(test_policy_update_touches_its_chain_alone),
		cmocka_unit_test(test_second_pod_with_the_same_policies_costs_one_element_a_map),
		cmocka_unit_test(test_policy_that_isolates_no_pod_here_is_not_compiled),
		cmocka_unit_test(test_quarantine_ends_when_the_object_comes),
		cmocka_unit_test(test_leaving_endpoint_is_quarantined_whatever_object_there_is),
		cmocka_unit_test(test_object_of_the_predecessor_does_not_open_its_successor),
		cmocka_unit_test(test_newest_endpoint_has_the_address),
		cmocka_unit_test(test_endpoint_put_again_unchanged_costs_nothing),
		cmocka_unit_test(test_quarantine_can_be_put_into_any_ruleset_with_the_fixed_part),
		cmocka_unit_test(test_invalid_policies_are_counted_and_named),
		cmocka_unit_test(test_longest_policy_names_keep_chains_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
