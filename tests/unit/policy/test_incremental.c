// SPDX-License-Identifier: Apache-2.0
/*
 * Random sequences of events. After each, the engine's ruleset must be that of a new engine that is given the same objects in another
 * order, and what was pending, applied to a kernel in miniature, must have made that kernel equal.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/random_cluster.h"
#include "tests/unit/policy/mirror.h"

#define SEQUENCES 60
#define EVENTS 60
#define TEXT_MAX (8u * 1024 * 1024)

struct world {
	struct random random;
	struct scenario now;
	struct policy_engine *engine;
	struct ruleset *mirror;
};

static const struct random_options options = { .pods = 8, .policies = 8, .probes = 1, .oddities = true };

static bool same_identity(const struct kube_object *a, const struct kube_object *b)
{
	return a->kind == b->kind && strcmp(a->namespace, b->namespace) == 0 && strcmp(a->name, b->name) == 0;
}

static size_t find_object(const struct scenario *now, const struct kube_object *object)
{
	size_t i = 0;

	while (i < now->n_objects && !same_identity(now->objects[i], object))
		i++;
	return i;
}

static void put_object(struct world *world, struct kube_object **object)
{
	size_t at = find_object(&world->now, *object);

	if (at < world->now.n_objects) {
		struct kube_object *before = world->now.objects[at];

		world->now.objects[at] = TAKE_PTR(*object);
		assert_int_equal(policy_engine_changed(world->engine, before, world->now.objects[at], NULL), 0);
		kube_object_free(before);
		return;
	}
	assert_true(world->now.n_objects < world->now.objects_capacity);
	world->now.objects[world->now.n_objects++] = TAKE_PTR(*object);
	assert_int_equal(policy_engine_changed(world->engine, NULL, world->now.objects[at], NULL), 0);
}

static void remove_object(struct world *world)
{
	if (world->now.n_objects == 0)
		return;
	size_t at = random_below(&world->random, (uint32_t)world->now.n_objects);
	struct kube_object *before = world->now.objects[at];
	assert_int_equal(policy_engine_changed(world->engine, before, NULL, NULL), 0);
	world->now.objects[at] = world->now.objects[--world->now.n_objects];
	kube_object_free(before);
}

static void drop_endpoint(struct scenario *now, size_t at)
{
	struct policy_endpoint *endpoint = &now->endpoints[at];

	scenario_endpoint_clear(endpoint);
	now->n_endpoints--;
	memmove(endpoint, endpoint + 1, (now->n_endpoints - at) * sizeof(*endpoint));
}

static bool endpoint_equals(const struct policy_endpoint *a, const struct policy_endpoint *b)
{
	return strcmp(a->pod, b->pod) == 0 && strcmp(a->uid, b->uid) == 0 && a->n_addresses == b->n_addresses &&
	       memcmp(a->addresses, b->addresses, a->n_addresses * sizeof(a->addresses[0])) == 0;
}

/* The newest stands last, as the scenario wants it; an endpoint that is put again unchanged stays where it is. */
static void put_endpoint(struct world *world, struct policy_endpoint *endpoint)
{
	struct scenario *now = &world->now;

	assert_int_equal(policy_engine_endpoint_put(world->engine, endpoint, NULL), 0);
	for (size_t i = 0; i < now->n_endpoints; i++) {
		if (strcmp(now->endpoints[i].id, endpoint->id) != 0)
			continue;
		if (endpoint_equals(&now->endpoints[i], endpoint))
			return;
		drop_endpoint(now, i);
		break;
	}
	assert_true(now->n_endpoints < now->endpoints_capacity);
	now->endpoints[now->n_endpoints++] = *endpoint;
	*endpoint = (struct policy_endpoint){};
}

static void remove_endpoint(struct world *world)
{
	if (world->now.n_endpoints == 0)
		return;
	size_t at = random_below(&world->random, (uint32_t)world->now.n_endpoints);
	assert_int_equal(policy_engine_endpoint_remove(world->engine, world->now.endpoints[at].id, NULL), 0);
	drop_endpoint(&world->now, at);
}

static void put_something(struct world *world, uint32_t kind)
{
	_cleanup_(scenario_clear) struct scenario news = {};
	_cleanup_(buf_free) struct buf yaml = BUF_MAX(TEXT_MAX);

	if (kind < 35)
		random_pod(&world->random, &options, &yaml);
	else if (kind < 55)
		random_policy(&world->random, &options, &yaml);
	else if (kind < 65)
		random_namespace(&world->random, &yaml);
	else
		random_endpoint(&world->random, &options, &yaml);
	assert_int_equal(scenario_parse(buf_view(&yaml), &news, NULL), 0);
	for (size_t i = 0; i < news.n_objects; i++)
		put_object(world, &news.objects[i]);
	for (size_t i = 0; i < news.n_endpoints; i++)
		put_endpoint(world, &news.endpoints[i]);
}

static void happen(struct world *world)
{
	uint32_t kind = random_below(&world->random, 100);

	if (kind < 80)
		put_something(world, kind);
	else if (kind < 92)
		remove_object(world);
	else
		remove_endpoint(world);
}

static void shuffle(struct world *world)
{
	for (size_t i = world->now.n_objects; i > 1; i--) {
		size_t j = random_below(&world->random, (uint32_t)i);
		struct kube_object *object = world->now.objects[j];

		world->now.objects[j] = world->now.objects[i - 1];
		world->now.objects[i - 1] = object;
	}
}

/* From the beginning of the first line that differs. */
static const char *from_difference(const char *text, const char *other)
{
	const char *line = text;

	for (; *text && *text == *other; text++, other++)
		if (*text == '\n')
			line = text + 1;
	return line;
}

static void assert_same_print(const struct ruleset *a, const struct ruleset *b, const char *what, const struct world *world)
{
	_cleanup_(buf_free) struct buf x = BUF_MAX(TEXT_MAX);
	_cleanup_(buf_free) struct buf y = BUF_MAX(TEXT_MAX);
	_cleanup_(buf_free) struct buf scenario = BUF_MAX(TEXT_MAX);

	ruleset_print(a, &x);
	ruleset_print(b, &y);
	assert_int_equal(x.failed, 0);
	if (strcmp(buf_text(&x), buf_text(&y)) == 0)
		return;
	scenario_print(&world->now, &scenario);
	fprintf(stderr, "%s\n%s\n--- expected\n%.300s\n--- got\n%.300s\n", what, buf_text(&scenario),
		from_difference(buf_text(&x), buf_text(&y)), from_difference(buf_text(&y), buf_text(&x)));
	fail();
}

static void compare_with_a_new_engine(struct world *world)
{
	shuffle(world);
	_cleanup_(policy_engine_freep) struct policy_engine *fresh = scenario_engine(&world->now);
	assert_non_null(fresh);
	assert_same_print(policy_engine_ruleset(fresh), policy_engine_ruleset(world->engine), "the engine drifted from a new one", world);
}

static void world_start(struct world *world, uint64_t seed)
{
	*world = (struct world){ .random = { seed }, .engine = scenario_empty_engine(), .mirror = ruleset_new(RULESET_INET) };
	assert_non_null(world->engine);
	assert_non_null(world->mirror);
	world->now.objects_capacity = 256;
	world->now.objects = calloc(world->now.objects_capacity, sizeof(*world->now.objects));
	world->now.endpoints_capacity = 64;
	world->now.endpoints = calloc(world->now.endpoints_capacity, sizeof(*world->now.endpoints));
}

static void world_clear(struct world *world)
{
	policy_engine_free(world->engine);
	ruleset_free(world->mirror);
	scenario_clear(&world->now);
}

static void test_events_lead_where_a_new_engine_starts(void **state)
{
	for (unsigned i = 0; i < SEQUENCES; i++) {
		_cleanup_(world_clear) struct world world;

		world_start(&world, 7000 + i);
		for (unsigned j = 0; j < EVENTS; j++) {
			happen(&world);
			compare_with_a_new_engine(&world);
		}
	}
}

static void test_pending_changes_keep_a_kernel_equal(void **state)
{
	for (unsigned i = 0; i < SEQUENCES; i++) {
		_cleanup_(world_clear) struct world world;

		world_start(&world, 9000 + i);
		for (unsigned j = 0; j < EVENTS * 2; j++) {
			happen(&world);
			if (random_chance(&world.random, 50))
				continue; /* several events in one transaction */
			mirror_apply(world.mirror, policy_engine_ruleset(world.engine));
			assert_same_print(policy_engine_ruleset(world.engine), world.mirror, "the kernel differs", &world);
		}
	}
}

/* A restart: a new engine, the kernel as it was, events that the agent has missed. */
static void test_restart_sends_the_difference(void **state)
{
	for (unsigned i = 0; i < SEQUENCES; i++) {
		_cleanup_(world_clear) struct world world;

		world_start(&world, 11000 + i);
		for (unsigned j = 0; j < 20; j++)
			happen(&world);
		mirror_apply(world.mirror, policy_engine_ruleset(world.engine));
		for (unsigned j = 0; j < i % 10; j++)
			happen(&world);
		policy_engine_free(world.engine);
		world.engine = scenario_engine(&world.now);
		assert_non_null(world.engine);

		_cleanup_(ruleset_freep) struct ruleset *kernel = mirror_read(world.mirror);
		assert_int_equal(ruleset_rebase(policy_engine_ruleset(world.engine), kernel, NULL), 0);
		if (i % 10 == 0)
			assert_false(ruleset_is_pending(policy_engine_ruleset(world.engine)));
		mirror_apply(world.mirror, policy_engine_ruleset(world.engine));
		assert_same_print(policy_engine_ruleset(world.engine), world.mirror, "the kernel differs after a restart", &world);
	}
}

/* A refused transaction changes nothing in the kernel; the next attempt reads it and sends what it lacks. */
static void test_lost_transaction_is_made_up_for(void **state)
{
	for (unsigned i = 0; i < SEQUENCES; i++) {
		_cleanup_(world_clear) struct world world;

		world_start(&world, 13000 + i);
		for (unsigned j = 0; j < 40; j++) {
			happen(&world);
			if (random_chance(&world.random, 30)) {
				_cleanup_(ruleset_freep) struct ruleset *kernel = mirror_read(world.mirror);

				assert_int_equal(ruleset_rebase(policy_engine_ruleset(world.engine), kernel, NULL), 0);
			}
			if (random_chance(&world.random, 30))
				mirror_apply(world.mirror, policy_engine_ruleset(world.engine));
		}
		mirror_apply(world.mirror, policy_engine_ruleset(world.engine));
		assert_same_print(policy_engine_ruleset(world.engine), world.mirror, "the kernel differs", &world);
	}
}

static void test_nothing_is_left_when_all_is_removed(void **state)
{
	_cleanup_(policy_engine_freep) struct policy_engine *empty = scenario_empty_engine();

	for (unsigned i = 0; i < SEQUENCES; i++) {
		_cleanup_(world_clear) struct world world;
		struct policy_counts counts;

		world_start(&world, 15000 + i);
		for (unsigned j = 0; j < 30; j++)
			happen(&world);
		while (world.now.n_objects > 0 || world.now.n_endpoints > 0) {
			if (random_chance(&world.random, 50))
				remove_object(&world);
			else
				remove_endpoint(&world);
		}
		assert_same_print(policy_engine_ruleset(empty), policy_engine_ruleset(world.engine), "something is left", &world);
		policy_engine_count(world.engine, &counts);
		assert_memory_equal(&counts, &(struct policy_counts){}, sizeof(counts));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_events_lead_where_a_new_engine_starts), cmocka_unit_test(test_pending_changes_keep_a_kernel_equal),
		cmocka_unit_test(test_restart_sends_the_difference),          cmocka_unit_test(test_lost_transaction_is_made_up_for),
		cmocka_unit_test(test_nothing_is_left_when_all_is_removed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
