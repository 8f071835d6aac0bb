// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "cni-plugin/policy/ruleset.h"

static const uint8_t one[4] = { 10, 0, 0, 1 };
static const uint8_t two[4] = { 10, 0, 0, 2 };

static struct ruleset_set *put_set(struct ruleset *ruleset, const char *name, bool map)
{
	struct ruleset_set *set;

	assert_int_equal(ruleset_set_add(ruleset, name, RULESET_KEY_IPV4, false, map, "", &set, NULL), 0);
	return set;
}

static void add(struct ruleset_set *set, const uint8_t *element, const char *target)
{
	assert_int_equal(ruleset_element_add(set, element, target, NULL), 0);
}

static void remove_element(struct ruleset_set *set, const uint8_t *element)
{
	assert_int_equal(ruleset_element_remove(set, element, NULL), 0);
}

static int put_chain(struct ruleset *ruleset, const char *name, enum ruleset_verdict verdict, const char *set, struct error *err)
{
	struct ruleset_rule rule = { .verdict = verdict };

	if (set) {
		rule.n_matches = 1;
		rule.matches[0] = (struct ruleset_match){ .type = RULESET_SOURCE_IN, .set = strdup(set) };
	}
	return ruleset_chain_put(ruleset, name, RULESET_NO_HOOK, 0, "", &rule, 1, err);
}

static void test_new_objects_are_pending_until_committed(void **state)
{
	_cleanup_(ruleset_freep) struct ruleset *ruleset = ruleset_new(RULESET_INET);

	assert_false(ruleset_is_pending(ruleset));
	struct ruleset_set *set = put_set(ruleset, "s", false);
	assert_int_equal(put_chain(ruleset, "c", RULESET_DROP, NULL, NULL), 0);
	assert_true(ruleset_is_pending(ruleset));
	assert_int_equal(set->state, RULESET_NEW);
	assert_int_equal(ruleset_chain_find(ruleset, "c")->state, RULESET_NEW);
	ruleset_committed(ruleset);
	assert_false(ruleset_is_pending(ruleset));
	assert_int_equal(set->state, RULESET_SAME);
	assert_int_equal(ruleset_chain_find(ruleset, "c")->state, RULESET_SAME);
}

static void test_element_that_goes_and_comes_back_leaves_nothing_pending(void **state)
{
	_cleanup_(ruleset_freep) struct ruleset *ruleset = ruleset_new(RULESET_INET);
	struct ruleset_set *set = put_set(ruleset, "s", false);

	add(set, one, NULL);
	ruleset_committed(ruleset);
	remove_element(set, one);
	assert_int_equal(set->removed.n, 1);
	add(set, one, NULL);
	add(set, two, NULL);
	remove_element(set, two);
	assert_false(ruleset_is_pending(ruleset));
}

static void test_adding_what_is_there_changes_nothing(void **state)
{
	_cleanup_(ruleset_freep) struct ruleset *ruleset = ruleset_new(RULESET_INET);
	struct ruleset_set *set = put_set(ruleset, "s", false);

	add(set, one, NULL);
	ruleset_committed(ruleset);
	add(set, one, NULL);
	remove_element(set, two);
	assert_false(ruleset_is_pending(ruleset));
	assert_int_equal(set->elements.n, 1);
}

static void test_changed_target_is_removed_and_added(void **state)
{
	_cleanup_(ruleset_freep) struct ruleset *ruleset = ruleset_new(RULESET_INET);
	struct ruleset_set *map = put_set(ruleset, "m", true);

	add(map, one, "a");
	add(map, two, "a");
	ruleset_committed(ruleset);
	add(map, one, "b");
	assert_int_equal(map->added.n, 1);
	assert_int_equal(map->removed.n, 1);
	assert_memory_equal(map->added.bytes, one, 4);
	assert_string_equal(map->targets[ruleset_element_find(map, one)], "b");
	ruleset_committed(ruleset);
	add(map, one, "b");
	assert_false(ruleset_is_pending(ruleset));
}

static void test_element_of_a_map_needs_a_target_and_of_a_set_has_none(void **state)
{
	_cleanup_(ruleset_freep) struct ruleset *ruleset = ruleset_new(RULESET_INET);
	struct error err;

	assert_int_equal(ruleset_element_add(put_set(ruleset, "m", true), one, NULL, &err), -EINVAL);
	assert_int_equal(ruleset_element_add(put_set(ruleset, "s", false), one, "c", &err), -EINVAL);
}

static void test_object_that_the_kernel_never_had_goes_at_once(void **state)
{
	_cleanup_(ruleset_freep) struct ruleset *ruleset = ruleset_new(RULESET_INET);

	put_set(ruleset, "s", false);
	assert_int_equal(put_chain(ruleset, "c", RULESET_DROP, NULL, NULL), 0);
	ruleset_chain_remove(ruleset, "c");
	ruleset_set_remove(ruleset, "s");
	assert_false(ruleset_is_pending(ruleset));
	assert_null(ruleset_next_set(ruleset, NULL));
	assert_null(ruleset_next_chain(ruleset, NULL));
}

static void test_object_that_the_kernel_has_is_doomed_until_committed(void **state)
{
	_cleanup_(ruleset_freep) struct ruleset *ruleset = ruleset_new(RULESET_INET);

	put_set(ruleset, "s", false);
	assert_int_equal(put_chain(ruleset, "c", RULESET_DROP, NULL, NULL), 0);
	ruleset_committed(ruleset);
	ruleset_chain_remove(ruleset, "c");
	ruleset_set_remove(ruleset, "s");
	assert_null(ruleset_set_find(ruleset, "s"));
	assert_null(ruleset_chain_find(ruleset, "c"));
	assert_int_equal(ruleset_next_set(ruleset, NULL)->state, RULESET_DOOMED);
	assert_int_equal(ruleset_next_chain(ruleset, NULL)->state, RULESET_DOOMED);
	ruleset_committed(ruleset);
	assert_null(ruleset_next_set(ruleset, NULL));
	assert_null(ruleset_next_chain(ruleset, NULL));
}

static void test_doomed_set_that_comes_back_knows_what_the_kernel_has(void **state)
{
	_cleanup_(ruleset_freep) struct ruleset *ruleset = ruleset_new(RULESET_INET);
	struct ruleset_set *set = put_set(ruleset, "s", false);

	add(set, one, NULL);
	ruleset_committed(ruleset);
	add(set, two, NULL);
	ruleset_set_remove(ruleset, "s");
	set = put_set(ruleset, "s", false);
	assert_int_equal(set->elements.n, 0);
	assert_int_equal(set->removed.n, 1);
	add(set, one, NULL);
	assert_false(ruleset_is_pending(ruleset));
	add(set, two, NULL);
	assert_int_equal(set->added.n, 1);
}

static void test_set_of_another_type_is_refused(void **state)
{
	_cleanup_(ruleset_freep) struct ruleset *ruleset = ruleset_new(RULESET_INET);
	struct ruleset_set *set;
	struct error err;

	put_set(ruleset, "s", false);
	assert_int_equal(ruleset_set_add(ruleset, "s", RULESET_KEY_IPV6, false, false, "", &set, &err), -EINVAL);
	assert_string_equal(err.message, "set \"s\" is already there with another type");
}

static void test_equal_rules_change_nothing_and_others_do(void **state)
{
	_cleanup_(ruleset_freep) struct ruleset *ruleset = ruleset_new(RULESET_INET);

	assert_int_equal(put_chain(ruleset, "c", RULESET_DROP, NULL, NULL), 0);
	ruleset_committed(ruleset);
	assert_int_equal(put_chain(ruleset, "c", RULESET_DROP, NULL, NULL), 0);
	assert_false(ruleset_is_pending(ruleset));
	assert_int_equal(put_chain(ruleset, "c", RULESET_ACCEPT, NULL, NULL), 0);
	assert_int_equal(ruleset_chain_find(ruleset, "c")->state, RULESET_CHANGED);
	assert_int_equal(put_chain(ruleset, "c", RULESET_DROP, NULL, NULL), 0);
	assert_false(ruleset_is_pending(ruleset));
}

static void test_rule_that_names_an_unknown_set_is_refused(void **state)
{
	_cleanup_(ruleset_freep) struct ruleset *ruleset = ruleset_new(RULESET_INET);
	struct error err;

	assert_int_equal(put_chain(ruleset, "c", RULESET_DROP, "s", &err), -EINVAL);
	assert_string_equal(err.message, "chain \"c\": a rule names set \"s\", which is not there");
	assert_null(ruleset_chain_find(ruleset, "c"));
}

static void test_too_long_names_are_refused(void **state)
{
	_cleanup_(ruleset_freep) struct ruleset *ruleset = ruleset_new(RULESET_INET);
	char name[RULESET_NAME_MAX + 2];
	struct error err;

	memset(name, 'x', sizeof(name));
	name[RULESET_NAME_MAX + 1] = '\0';
	assert_int_equal(put_chain(ruleset, name, RULESET_DROP, NULL, &err), -EINVAL);
	name[RULESET_NAME_MAX] = '\0';
	assert_int_equal(put_chain(ruleset, name, RULESET_DROP, NULL, &err), 0);
}

static void test_rebase_sends_only_the_difference(void **state)
{
	_cleanup_(ruleset_freep) struct ruleset *wanted = ruleset_new(RULESET_INET);
	_cleanup_(ruleset_freep) struct ruleset *kernel = ruleset_new(RULESET_INET);
	struct ruleset_set *set = put_set(wanted, "s", false), *map = put_set(wanted, "m", true);

	add(set, one, NULL);
	add(map, one, "c");
	add(put_set(kernel, "s", false), two, NULL);
	add(put_set(kernel, "m", true), one, "d");
	put_set(kernel, "stale", false);
	assert_int_equal(put_chain(wanted, "c", RULESET_DROP, NULL, NULL), 0);
	assert_int_equal(ruleset_chain_put_kernel(kernel, "c", RULESET_NO_HOOK, 0, ruleset_chain_find(wanted, "c")->fingerprint, NULL), 0);
	assert_int_equal(ruleset_chain_put_kernel(kernel, "d", RULESET_NO_HOOK, 0, "", NULL), 0);

	assert_int_equal(ruleset_rebase(wanted, kernel, NULL), 0);
	assert_int_equal(set->state, RULESET_SAME);
	assert_memory_equal(set->added.bytes, one, 4);
	assert_memory_equal(set->removed.bytes, two, 4);
	assert_int_equal(map->added.n + map->removed.n, 2);
	assert_int_equal(ruleset_chain_find(wanted, "c")->state, RULESET_SAME);
	assert_null(ruleset_chain_find(wanted, "d"));
	assert_null(ruleset_set_find(wanted, "stale"));
	assert_true(ruleset_is_pending(wanted));
	ruleset_committed(wanted);
	assert_false(ruleset_is_pending(wanted));
}

static void test_rebase_on_an_empty_kernel_sends_everything(void **state)
{
	_cleanup_(ruleset_freep) struct ruleset *wanted = ruleset_new(RULESET_INET);
	_cleanup_(ruleset_freep) struct ruleset *kernel = ruleset_new(RULESET_INET);
	struct ruleset_set *set = put_set(wanted, "s", false);

	put_set(wanted, "gone", false);
	assert_int_equal(put_chain(wanted, "c", RULESET_DROP, NULL, NULL), 0);
	ruleset_committed(wanted);
	ruleset_set_remove(wanted, "gone");
	assert_int_equal(ruleset_rebase(wanted, kernel, NULL), 0);
	assert_int_equal(set->state, RULESET_NEW);
	assert_int_equal(ruleset_chain_find(wanted, "c")->state, RULESET_NEW);
	assert_null(ruleset_next_set(wanted, set)); /* what is not wanted and not there is forgotten */
}

static void test_rebase_refuses_a_set_of_another_type(void **state)
{
	_cleanup_(ruleset_freep) struct ruleset *wanted = ruleset_new(RULESET_INET);
	_cleanup_(ruleset_freep) struct ruleset *kernel = ruleset_new(RULESET_INET);
	struct error err;

	put_set(wanted, "s", false);
	put_set(kernel, "s", true);
	assert_int_equal(ruleset_rebase(wanted, kernel, &err), -EEXIST);
	assert_string_equal(err.message, "cannot compare with what the kernel has: set \"s\" has another type in the kernel");
}

static void test_prints_as_nft_would(void **state)
{
	static const uint8_t interval[4] = { 0, 80, 0, 90 };
	_cleanup_(ruleset_freep) struct ruleset *ruleset = ruleset_new(RULESET_INET);
	_cleanup_(buf_free) struct buf out = BUF_MAX(4096);
	struct ruleset_set *ports;
	struct ruleset_rule rule = {
		.matches = { { .type = RULESET_SOURCE_IN, .set = strdup("s") },
			     { .type = RULESET_PROTOCOL, .first = IPPROTO_TCP },
			     { .type = RULESET_PORT_IN, .set = strdup("p") } },
		.n_matches = 3,
		.verdict = RULESET_ACCEPT,
		.counter = strdup("web/0"),
		.comment = strdup("say \"so\""),
	};

	assert_int_equal(ruleset_counter_add(ruleset, "web/0", NULL), 0);
	add(put_set(ruleset, "s", false), one, NULL);
	assert_int_equal(ruleset_set_add(ruleset, "p", RULESET_KEY_PORT, true, false, "", &ports, NULL), 0);
	add(ports, interval, NULL);
	assert_int_equal(ruleset_chain_put(ruleset, "c", RULESET_HOOK_INPUT, -10, "", &rule, 1, NULL), 0);
	ruleset_print(ruleset, &out);
	assert_string_equal(buf_text(&out),
			    "table inet holdfast {\n"
			    "\tcounter web/0 {\n\t}\n\n"
			    "\tset p {\n\t\ttype inet_service\n\t\tflags interval\n\t\telements = {\n\t\t\t80-90,\n\t\t}\n\t}\n\n"
			    "\tset s {\n\t\ttype ipv4_addr\n\t\telements = {\n\t\t\t10.0.0.1,\n\t\t}\n\t}\n\n"
			    "\tchain c {\n\t\ttype filter hook input priority -10; policy accept;\n"
			    "\t\tip saddr @s meta l4proto tcp th dport @p counter name \"web/0\" accept comment \"say _so_\"\n\t}\n\n"
			    "}\n");
}

static int put_counting_chain(struct ruleset *ruleset, enum ruleset_verdict verdict, const char *counter, struct error *err)
{
	struct ruleset_rule rule = { .verdict = verdict, .counter = strdup(counter) };

	return ruleset_chain_put(ruleset, "c", RULESET_NO_HOOK, 0, "", &rule, 1, err);
}

static void test_a_counter_outlives_the_rules_of_its_chain(void **state)
{
	_cleanup_(ruleset_freep) struct ruleset *ruleset = ruleset_new(RULESET_INET);
	struct error err;

	assert_int_equal(put_counting_chain(ruleset, RULESET_DROP, "n", &err), -EINVAL);
	assert_string_equal(err.message, "chain \"c\": a rule names counter \"n\", which is not there");
	assert_int_equal(ruleset_counter_add(ruleset, "n", NULL), 0);
	assert_int_equal(ruleset_counter_find(ruleset, "n")->state, RULESET_NEW);
	assert_int_equal(put_counting_chain(ruleset, RULESET_DROP, "n", NULL), 0);
	ruleset_committed(ruleset);
	assert_int_equal(ruleset_counter_add(ruleset, "n", NULL), 0);
	assert_false(ruleset_is_pending(ruleset));
	assert_int_equal(put_counting_chain(ruleset, RULESET_ACCEPT, "n", NULL), 0);
	assert_null(ruleset_next_pending_counter(ruleset, NULL));
	ruleset_counter_remove(ruleset, "n");
	assert_null(ruleset_counter_find(ruleset, "n"));
	assert_int_equal(ruleset_counter_add(ruleset, "n", NULL), 0);
	assert_int_equal(ruleset_counter_find(ruleset, "n")->state, RULESET_SAME);
	ruleset_counter_remove(ruleset, "n");
	assert_true(ruleset_is_pending(ruleset));
	ruleset_committed(ruleset);
	assert_null(ruleset_next_counter(ruleset, NULL));
}

static void test_rebase_keeps_the_kernels_counters_and_dooms_those_nobody_wants(void **state)
{
	_cleanup_(ruleset_freep) struct ruleset *wanted = ruleset_new(RULESET_INET), *kernel = ruleset_new(RULESET_INET);

	assert_int_equal(ruleset_counter_add(wanted, "kept", NULL), 0);
	assert_int_equal(ruleset_counter_add(wanted, "new", NULL), 0);
	assert_int_equal(ruleset_counter_add(kernel, "kept", NULL), 0);
	assert_int_equal(ruleset_counter_add(kernel, "stale", NULL), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(ruleset_rebase(wanted, kernel, NULL), 0);
		assert_int_equal(ruleset_counter_find(wanted, "kept")->state, RULESET_SAME);
		assert_int_equal(ruleset_counter_find(wanted, "new")->state, RULESET_NEW);
		assert_null(ruleset_counter_find(wanted, "stale"));
		assert_int_equal(ruleset_next_pending_counter(wanted, ruleset_counter_find(wanted, "new"))->state, RULESET_DOOMED);
	}
	ruleset_committed(wanted);
	assert_null(ruleset_next_counter(wanted, ruleset_counter_find(wanted, "new")));
}

static void test_elements_stay_sorted_in_any_order_of_arrival(void **state)
{
	_cleanup_(ruleset_freep) struct ruleset *ruleset = ruleset_new(RULESET_INET);
	struct ruleset_set *set = put_set(ruleset, "s", false);

	for (unsigned i = 0; i < 5000; i++) {
		unsigned n = i * 2654435761u % 5000;
		uint8_t element[4] = { 10, 0, (uint8_t)(n >> 8), (uint8_t)n };

		add(set, element, NULL);
	}
	for (size_t i = 1; i < set->elements.n; i++)
		assert_true(memcmp(set->elements.bytes + (i - 1) * 4, set->elements.bytes + i * 4, 4) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_new_objects_are_pending_until_committed),
		cmocka_unit_test(test_element_that_goes_and_comes_back_leaves_nothing_pending),
		cmocka_unit_test(test_adding_what_is_there_changes_nothing),
		cmocka_unit_test(test_changed_target_is_removed_and_added),
		cmocka_unit_test(test_element_of_a_map_needs_a_target_and_of_a_set_has_none),
		cmocka_unit_test(test_object_that_the_kernel_never_had_goes_at_once),
		cmocka_unit_test(test_object_that_the_kernel_has_is_doomed_until_committed),
		cmocka_unit_test(test_doomed_set_that_comes_back_knows_what_the_kernel_has),
		cmocka_unit_test(test_set_of_another_type_is_refused),
		cmocka_unit_test(test_equal_rules_change_nothing_and_others_do),
		cmocka_unit_test(test_rule_that_names_an_unknown_set_is_refused),
		cmocka_unit_test(test_too_long_names_are_refused),
		cmocka_unit_test(test_rebase_sends_only_the_difference),
		cmocka_unit_test(test_rebase_on_an_empty_kernel_sends_everything),
		cmocka_unit_test(test_rebase_refuses_a_set_of_another_type),
		cmocka_unit_test(test_a_counter_outlives_the_rules_of_its_chain),
		cmocka_unit_test(test_rebase_keeps_the_kernels_counters_and_dooms_those_nobody_wants),
		cmocka_unit_test(test_prints_as_nft_would),
		cmocka_unit_test(test_elements_stay_sorted_in_any_order_of_arrival),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
