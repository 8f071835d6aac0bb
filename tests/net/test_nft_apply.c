// SPDX-License-Identifier: Apache-2.0
/* What nft_apply sends is what the kernel has: judged by `nft list` and by reading it back. */
#include "tests/net/nft_support.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/base/array.h"

/* Every type of match and verdict, every type of set. */
static void build_sets(struct world *world)
{
	add_text(set_of(world, "pods4", RULESET_KEY_IPV4), "10.1.0.7", NULL, NULL);
	add_text(set_of(world, "pods6", RULESET_KEY_IPV6), "fd00::7", NULL, NULL);
	add_text(set_of(world, "served4", RULESET_KEY_IPV4_PORT), "10.1.0.9 tcp 8080", NULL, NULL);
	add_text(set_of(world, "served6", RULESET_KEY_IPV6_PORT), "fd00::9 udp 53", NULL, NULL);
	struct ruleset_set *blocks = interval_set_of(world, "blocks4", RULESET_KEY_IPV4);
	add_text(blocks, "0.0.0.0", "9.255.255.255", NULL);
	add_text(blocks, "192.168.0.0", "192.168.255.255", NULL);
	add_text(blocks, "224.0.0.0", "255.255.255.255", NULL);
	add_text(interval_set_of(world, "blocks6", RULESET_KEY_IPV6), "2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", NULL);
	struct ruleset_set *ports = interval_set_of(world, "ports", RULESET_KEY_PORT);
	add_text(ports, "80", "80", NULL);
	add_text(ports, "8000", "8999", NULL);
	add_text(map_of(world, "ingress4", RULESET_KEY_IPV4), "10.1.0.9", NULL, "pod-web");
	add_text(map_of(world, "egress6", RULESET_KEY_IPV6), "fd00::9", NULL, "pod-web");
}

static const struct rule pod_rules[] = {
	{ .matches = { { .type = RULESET_SOURCE_IN, .set = "pods4" },
		       { .type = RULESET_PROTOCOL, .first = 6 },
		       { .type = RULESET_PORT, .first = 80, .last = 80 } },
	  .n_matches = 3,
	  .comment = "shop/web ingress[0]" },
	{ .matches = { { .type = RULESET_DESTINATION_IN, .set = "pods6" },
		       { .type = RULESET_PROTOCOL, .first = 17 },
		       { .type = RULESET_PORT, .first = 1000, .last = 2000 } },
	  .n_matches = 3,
	  .counter = "udp/shop.web/0" },
	{ .matches = { { .type = RULESET_SOURCE_IN, .set = "blocks4" },
		       { .type = RULESET_PROTOCOL, .first = 132 },
		       { .type = RULESET_PORT_IN, .set = "ports" } },
	  .n_matches = 3 },
	{ .matches = { { .type = RULESET_SOURCE_IN, .set = "blocks6" }, { .type = RULESET_SERVED_PORT_IN, .set = "served6" } },
	  .n_matches = 2 },
	{ .matches = { { .type = RULESET_SERVED_PORT_IN, .set = "served4" } }, .n_matches = 1 },
	{ .matches = { { .type = RULESET_TRACKED } }, .n_matches = 1, .verdict = RULESET_RETURN },
	{ .matches = { { .type = RULESET_ANSWER } },
	  .n_matches = 1,
	  .verdict = RULESET_CONTINUE,
	  .log_prefix = "dropped answer",
	  .log = { .group = 9470, .rate = 10, .burst = 50 } },
	{ .verdict = RULESET_DROP, .comment = "isolated" },
};

/* Ports of a connection have no type in nft 1.0.6: it lists them as numbers and reads them not at all. */
static const struct rule connection_rules[] = {
	{ .matches = { { .type = RULESET_SOURCE_IN, .set = "pods4" },
		       { .type = RULESET_PROTOCOL, .first = 6 },
		       { .type = RULESET_PORT, .first = 80, .last = 80 } },
	  .n_matches = 3,
	  .by_connection = true },
	{ .matches = { { .type = RULESET_DESTINATION_IN, .set = "pods6" },
		       { .type = RULESET_PROTOCOL, .first = 17 },
		       { .type = RULESET_PORT_IN, .set = "ports" } },
	  .n_matches = 3,
	  .by_connection = true },
	{ .matches = { { .type = RULESET_SERVED_PORT_IN, .set = "served6" } }, .n_matches = 1, .by_connection = true },
};

static const struct rule forward_rules[] = {
	{ .matches = { { .type = RULESET_CONNECTION_OF, .first = AF_INET } }, .n_matches = 1 },
	{ .matches = { { .type = RULESET_CONNECTION_OF, .first = AF_INET6 } }, .n_matches = 1 },
	{ .matches = { { .type = RULESET_ICMPV6_TYPE, .first = 133, .last = 137 } }, .n_matches = 1 },
	{ .matches = { { .type = RULESET_ICMPV6_TYPE, .first = 2, .last = 2 } }, .n_matches = 1 },
	{ .verdict = RULESET_DESTINATION_MAP, .target = "ingress4" },
	{ .verdict = RULESET_SOURCE_MAP, .target = "egress6" },
	{ .verdict = RULESET_JUMP, .target = "empty" },
};

static const struct rule output_rules[] = { { .verdict = RULESET_SOURCE_MAP, .target = "egress6", .by_connection = true } };
static const struct rule input_rules[] = { { .verdict = RULESET_SOURCE_MAP, .target = "egress6" } };

static void build_everything(struct world *world)
{
	build_sets(world);
	chain_of(world, "pod-web", RULESET_NO_HOOK, pod_rules, ELEMENTS_OF(pod_rules));
	chain_of(world, "empty", RULESET_NO_HOOK, NULL, 0);
	chain_of(world, "forward", RULESET_HOOK_FORWARD, forward_rules, ELEMENTS_OF(forward_rules));
	chain_of(world, "input", RULESET_HOOK_INPUT, input_rules, ELEMENTS_OF(input_rules));
	chain_of(world, "output", RULESET_HOOK_OUTPUT, output_rules, ELEMENTS_OF(output_rules));
}

static void test_every_match_verdict_and_set_is_listed_by_nft_as_written(void **state)
{
	struct world *world = *state;

	build_everything(world);
	chain_of(world, "connections", RULESET_NO_HOOK, connection_rules, ELEMENTS_OF(connection_rules));
	must_apply(world);
	run("nft --numeric-protocol list table inet holdfast | diff -u " TEST_DATA "/net/nft_everything.expected - 1>&2");
}

static void test_reading_back_leaves_nothing_pending(void **state)
{
	struct world *world = *state;

	build_everything(world);
	must_apply(world);
	assert_false(ruleset_is_pending(world->ruleset));
	assert_kernel_has_all(world);
}

static void test_nothing_pending_sends_nothing(void **state)
{
	struct world *world = *state;

	build_everything(world);
	must_apply(world);
	assert_int_equal(must_apply(world).messages, 0);
}

static void test_what_nft_loads_from_our_print_is_what_we_load(void **state)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(1024 * 1024);
	struct world *world = *state;

	build_everything(world);
	ruleset_print(world->ruleset, &text);
	must_apply(world);
	_cleanup_free_ char *ours = output_of("nft list table inet holdfast | sort");
	struct error err;
	assert_int_equal(nft_delete_table(world->nft, RULESET_INET, &err), 0);
	FILE *nft = popen("nft -f -", "w");
	assert_non_null(nft);
	fwrite(text.p, 1, text.n, nft);
	assert_int_equal(pclose(nft), 0);
	_cleanup_free_ char *theirs = output_of("nft list table inet holdfast | sort");
	assert_string_equal(ours, theirs);
}

static void test_changed_doomed_and_retargeted_go_in_one_transaction_behind_what_is_new(void **state)
{
	struct world *world = *state;
	static const struct rule drop[] = { { .verdict = RULESET_DROP } };

	build_everything(world);
	must_apply(world);
	/* pod-web (which used most sets) goes, pod-db comes, the maps' elements move, forward changes. */
	chain_of(world, "pod-db", RULESET_NO_HOOK, drop, 1);
	add_text(ruleset_set_find(world->ruleset, "ingress4"), "10.1.0.9", NULL, "pod-db");
	add_text(ruleset_set_find(world->ruleset, "egress6"), "fd00::9", NULL, "pod-db");
	add_text(ruleset_set_find(world->ruleset, "egress6"), "fd00::a", NULL, "pod-db");
	ruleset_chain_remove(world->ruleset, "pod-web");
	ruleset_chain_remove(world->ruleset, "empty");
	chain_of(world, "forward", RULESET_HOOK_FORWARD, forward_rules, ELEMENTS_OF(forward_rules) - 1);
	static const char *const gone[] = { "pods4", "pods6", "served4", "served6", "blocks4", "blocks6", "ports" };
	for (size_t i = 0; i < ELEMENTS_OF(gone); i++)
		ruleset_set_remove(world->ruleset, gone[i]);
	assert_int_equal(must_apply(world).transactions, 2);
	assert_kernel_has_all(world);
	run("test $(nft list table inet holdfast | grep -cE 'set |pod-web|empty') = 0");
	run("nft list table inet holdfast | grep -q '10.1.0.9 : goto pod-db'");
}

static void test_doomed_chains_that_jump_to_each_other_go(void **state)
{
	struct world *world = *state;
	static const struct rule to_b[] = { { .verdict = RULESET_JUMP, .target = "b" } },
				 to_c[] = { { .verdict = RULESET_JUMP, .target = "c" } };

	chain_of(world, "a", RULESET_NO_HOOK, to_b, 1);
	chain_of(world, "b", RULESET_NO_HOOK, to_c, 1);
	chain_of(world, "c", RULESET_NO_HOOK, NULL, 0);
	must_apply(world);
	ruleset_chain_remove(world->ruleset, "a");
	ruleset_chain_remove(world->ruleset, "b");
	ruleset_chain_remove(world->ruleset, "c");
	must_apply(world);
	assert_kernel_has_all(world);
	run("test $(nft list table inet holdfast | grep -c chain) = 0");
}

/* Kernels before 6.16 delete such a chain with its interface. */
static void test_a_chain_on_an_interface_is_deleted_whether_or_not_it_went_with_it(void **state)
{
	struct world *world = *state;
	_cleanup_(ruleset_freep) struct ruleset *ruleset = ruleset_new(RULESET_NETDEV);
	struct nft_report report;
	struct error err;

	run("for i in stays goes with_it; do ip link add $i type veth || exit; done");
	static const char *const devices[] = { "stays", "goes", "with_it" };
	for (size_t i = 0; i < ELEMENTS_OF(devices); i++) {
		struct ruleset_rule rule = { .verdict = RULESET_DROP };
		assert_int_equal(ruleset_ingress_put(ruleset, devices[i], devices[i], 0, "", &rule, 1, &err), 0);
	}
	assert_int_equal(nft_apply(world->nft, ruleset, &report, &err), 0);
	run("ip link delete goes; ip link delete with_it; nft delete chain netdev holdfast with_it");
	for (size_t i = 0; i < ELEMENTS_OF(devices); i++)
		ruleset_chain_remove(ruleset, devices[i]);
	if (nft_apply(world->nft, ruleset, &report, &err) < 0)
		fail_msg("%s", err.message);
	assert_int_equal(report.transactions, 1);
	run("test $(nft list table netdev holdfast | grep -c chain) = 0");
}

static void test_one_element_costs_one_message_beside_the_table(void **state)
{
	struct world *world = *state;

	build_everything(world);
	must_apply(world);
	add_text(ruleset_set_find(world->ruleset, "pods4"), "10.1.0.8", NULL, NULL);
	struct nft_report report = must_apply(world);
	assert_int_equal(report.messages, 2);
	assert_int_equal(report.transactions, 1);
	assert_kernel_has_all(world);
}

/* The whole of nf_tables, before and after a transaction that must fail with this text. */
static void assert_refused(struct world *world, const char *expected)
{
	_cleanup_free_ char *before = output_of("nft list ruleset");
	struct error err;

	assert_true(nft_apply(world->nft, world->ruleset, NULL, &err) < 0);
	assert_string_equal(err.message, expected);
	_cleanup_free_ char *after = output_of("nft list ruleset");
	assert_string_equal(before, after);
	assert_true(ruleset_is_pending(world->ruleset));
}

static void test_a_refused_rule_is_named_and_nothing_changes(void **state)
{
	struct world *world = *state;
	static const struct rule bad[] = { { .verdict = RULESET_JUMP, .target = "nowhere", .comment = "shop/db ingress[3]" } };

	build_everything(world);
	must_apply(world);
	add_text(ruleset_set_find(world->ruleset, "pods4"), "10.1.0.8", NULL, NULL);
	chain_of(world, "policy/shop/db", RULESET_NO_HOOK, bad, 1);
	assert_refused(world,
		       "cannot apply ruleset: rule \"shop/db ingress[3]\" in chain \"policy/shop/db\": kernel: No such file or directory "
		       "(attribute at byte 128)");
}

static void test_a_refused_element_is_named_and_nothing_changes(void **state)
{
	struct world *world = *state;

	build_everything(world);
	must_apply(world);
	add_text(ruleset_set_find(world->ruleset, "pods4"), "10.1.0.8", NULL, NULL);
	add_text(ruleset_set_find(world->ruleset, "ingress4"), "10.1.0.10", NULL, "nowhere");
	assert_refused(
		world,
		"cannot apply ruleset: element 10.1.0.10 of map \"ingress4\": kernel: No such file or directory (attribute at byte 56)");
}

/* An agent that has not read what is there adds no rule twice. */
static void test_what_is_new_to_us_must_be_new_to_the_kernel(void **state)
{
	struct world *world = *state;

	build_everything(world);
	must_apply(world);
	ruleset_free(world->ruleset);
	world->ruleset = ruleset_new(RULESET_INET);
	chain_of(world, "empty", RULESET_NO_HOOK, NULL, 0);
	assert_refused(world, "cannot apply ruleset: new chain \"empty\": kernel: File exists (attribute at byte 36)");
	ruleset_chain_remove(world->ruleset, "empty");
	set_of(world, "pods4", RULESET_KEY_IPV4);
	assert_refused(world, "cannot apply ruleset: new set \"pods4\": kernel: File exists (attribute at byte 36)");
}

static void test_a_port_without_a_protocol_is_refused_before_the_kernel_sees_it(void **state)
{
	struct world *world = *state;
	static const struct rule bad[] = {
		{ .matches = { { .type = RULESET_PORT, .first = 1, .last = 2 } }, .n_matches = 1, .comment = "x" }
	};

	chain_of(world, "c", RULESET_NO_HOOK, bad, 1);
	assert_refused(world, "cannot apply ruleset: rule \"x\" in chain \"c\": a port is matched without a protocol before it");
}

static void test_a_wholly_refused_transaction_names_its_first_step(void **state)
{
	struct world *world = *state;
	static const struct rule drop[] = { { .verdict = RULESET_DROP } };
	char name[32];

	for (int i = 0; i < 3000; i++) {
		snprintf(name, sizeof(name), "chain%04d", i);
		chain_of(world, name, RULESET_NO_HOOK, NULL, 0);
	}
	must_apply(world);
	run("nft delete table inet holdfast");
	for (int i = 0; i < 3000; i++) {
		snprintf(name, sizeof(name), "chain%04d", i);
		chain_of(world, name, RULESET_NO_HOOK, drop, 1);
	}
	struct error err;
	assert_true(nft_apply(world->nft, world->ruleset, NULL, &err) < 0);
	assert_non_null(strstr(err.message, "flush of chain \"chain0000\": kernel: No such file or directory"));
	assert_int_equal(nft_reconcile(world->nft, world->ruleset, NULL, &err), 0);
	assert_kernel_has_all(world);
}

static void test_another_table_is_not_touched(void **state)
{
	struct world *world = *state;
	struct error err;

	run("nft 'table inet other { set s { type ipv4_addr; elements = { 1.2.3.4 }; }; "
	    "chain forward { type filter hook forward priority 0; ip saddr @s counter drop; }; }'");
	_cleanup_free_ char *before = output_of("nft -a list table inet other");
	build_everything(world);
	must_apply(world);
	add_text(ruleset_set_find(world->ruleset, "pods4"), "10.1.0.8", NULL, NULL);
	must_apply(world);
	assert_int_equal(nft_reconcile(world->nft, world->ruleset, NULL, &err), 0);
	_cleanup_free_ char *meanwhile = output_of("nft -a list table inet other");
	assert_int_equal(nft_delete_table(world->nft, RULESET_INET, &err), 0);
	_cleanup_free_ char *after = output_of("nft -a list table inet other");
	assert_string_equal(before, meanwhile);
	assert_string_equal(before, after);
}

static void test_deleting_a_table_that_is_not_there_is_no_error(void **state)
{
	struct world *world = *state;
	struct error err;

	assert_int_equal(nft_delete_table(world->nft, RULESET_INET, &err), 0);
	build_everything(world);
	must_apply(world);
	assert_int_equal(nft_delete_table(world->nft, RULESET_INET, &err), 0);
	run("test -z \"$(nft list tables)\"");
}

/* Sends `n` packets to ourselves, and reads what the counter says. */
static uint64_t count(struct world *world, int n)
{
	struct error err;

	run("ping -q -c %d -i 0.002 127.0.0.1", n);
	if (nft_read_counters(world->nft, world->ruleset, &err) < 0)
		fail_msg("%s", err.message);
	return ruleset_counter_find(world->ruleset, "pings")->packets;
}

static void test_a_counter_outlives_its_rules_and_the_one_who_made_it(void **state)
{
	struct world *world = *state;
	static const struct rule first[] = { { .counter = "pings" } },
				 second[] = { { .matches = { { .type = RULESET_TRACKED } }, .n_matches = 1, .counter = "pings" } },
				 third[] = { { .verdict = RULESET_ACCEPT } };
	struct error err;

	chain_of(world, "input", RULESET_HOOK_INPUT, first, 1);
	must_apply(world);
	uint64_t before = count(world, 3);
	assert_int_equal(before, 6); /* requests and answers */
	chain_of(world, "input", RULESET_HOOK_INPUT, second, 1);
	must_apply(world);
	assert_int_equal(count(world, 2), before + 4);
	ruleset_free(world->ruleset);
	world->ruleset = ruleset_new(RULESET_INET);
	chain_of(world, "input", RULESET_HOOK_INPUT, first, 1);
	assert_int_equal(nft_reconcile(world->nft, world->ruleset, NULL, &err), 0);
	assert_int_equal(count(world, 1), before + 6);
	assert_true(ruleset_counter_find(world->ruleset, "pings")->bytes >= (before + 6) * 84);
	chain_of(world, "input", RULESET_HOOK_INPUT, third, 1);
	ruleset_counter_remove(world->ruleset, "pings");
	must_apply(world);
	assert_kernel_has_all(world);
	run("test -z \"$(nft list counters)\"");
}

static void test_has_element_finds_what_is_there_and_nothing_else(void **state)
{
	struct world *world = *state;
	struct error err;
	uint8_t absent[16] = { 10, 1, 0, 99 };

	build_everything(world);
	const struct ruleset_set *pods = ruleset_set_find(world->ruleset, "pods4"), *map = ruleset_set_find(world->ruleset, "ingress4");
	const struct ruleset_set *blocks = ruleset_set_find(world->ruleset, "blocks4");
	assert_int_equal(nft_has_element(world->nft, pods, pods->elements.bytes, NULL, &err), 0); /* no table yet */
	must_apply(world);
	assert_int_equal(nft_has_element(world->nft, pods, pods->elements.bytes, NULL, &err), 1);
	assert_int_equal(nft_has_element(world->nft, pods, absent, NULL, &err), 0);
	assert_int_equal(nft_has_element(world->nft, map, map->elements.bytes, "pod-web", &err), 1);
	assert_int_equal(nft_has_element(world->nft, map, map->elements.bytes, "empty", &err), 0);
	assert_int_equal(nft_has_element(world->nft, map, absent, "pod-web", &err), 0);
	assert_int_equal(nft_has_element(world->nft, blocks, blocks->elements.bytes, NULL, &err), 1);
	assert_int_equal(nft_has_element(world->nft, blocks, absent, NULL, &err), 0);
}

#define PROMISE(test) cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PROMISE(test_every_match_verdict_and_set_is_listed_by_nft_as_written),
		PROMISE(test_reading_back_leaves_nothing_pending),
		PROMISE(test_nothing_pending_sends_nothing),
		PROMISE(test_what_nft_loads_from_our_print_is_what_we_load),
		PROMISE(test_changed_doomed_and_retargeted_go_in_one_transaction_behind_what_is_new),
		PROMISE(test_doomed_chains_that_jump_to_each_other_go),
		PROMISE(test_a_chain_on_an_interface_is_deleted_whether_or_not_it_went_with_it),
		PROMISE(test_one_element_costs_one_message_beside_the_table),
		PROMISE(test_a_refused_rule_is_named_and_nothing_changes),
		PROMISE(test_a_refused_element_is_named_and_nothing_changes),
		PROMISE(test_what_is_new_to_us_must_be_new_to_the_kernel),
		PROMISE(test_a_port_without_a_protocol_is_refused_before_the_kernel_sees_it),
		PROMISE(test_a_wholly_refused_transaction_names_its_first_step),
		PROMISE(test_another_table_is_not_touched),
		PROMISE(test_deleting_a_table_that_is_not_there_is_no_error),
		PROMISE(test_a_counter_outlives_its_rules_and_the_one_who_made_it),
		PROMISE(test_has_element_finds_what_is_there_and_nothing_else),
	};

	need_namespaces();
	return cmocka_run_group_tests_name("nft_apply", tests, NULL, NULL);
}
