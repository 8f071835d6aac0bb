// SPDX-License-Identifier: Apache-2.0
/* Somebody else's hands in our table: nft_reconcile finds what they did and puts it right. */
#include "tests/net/nft_support.h"

#include <errno.h>
#include <stdio.h>
#include <linux/netfilter.h>
#include <string.h>

#include "common/base/array.h"
#include "cni-plugin/nft/internal.h"
#include "cni-plugin/nft/steps.h"

/* The linker sends nft_read's requests here first (--wrap): a place to meddle between two of them. */
int __real_nft_socket_request(struct nft_socket *socket, struct nlmsghdr *request, nft_visit *visit, void *context, struct error *err);
int __wrap_nft_socket_request(struct nft_socket *socket, struct nlmsghdr *request, nft_visit *visit, void *context, struct error *err);

static int requests, meddle_before = -1;
static bool never_pause;

int __wrap_nft_socket_request(struct nft_socket *socket, struct nlmsghdr *request, nft_visit *visit, void *context, struct error *err)
{
	if (never_pause)
		run("nft flush chain inet holdfast web");
	if (requests++ == meddle_before)
		run("nft 'add chain inet holdfast theirs; add rule inet holdfast theirs drop; add rule inet holdfast web drop; "
		    "add element inet holdfast peers { 99.9.9.9 }; add set inet holdfast theirs { type ipv4_addr; }'");
	return __real_nft_socket_request(socket, request, visit, context, err);
}

static const struct rule web_rules[] = {
	{ .matches = { { .type = RULESET_SOURCE_IN, .set = "peers" } }, .n_matches = 1, .comment = "shop/web ingress[0]" },
	{ .matches = { { .type = RULESET_SOURCE_IN, .set = "blocks" } }, .n_matches = 1, .comment = "shop/web ingress[1]" },
	{ .verdict = RULESET_DROP, .counter = "dropped" },
};
static const struct rule forward_rules[] = {
	{ .matches = { { .type = RULESET_TRACKED } }, .n_matches = 1 },
	{ .verdict = RULESET_DESTINATION_MAP, .target = "ingress4" },
};

static void build(struct world *world)
{
	add_numbered(set_of(world, "peers", RULESET_KEY_IPV4), 0, 10, NULL);
	struct ruleset_set *blocks = interval_set_of(world, "blocks", RULESET_KEY_IPV4);
	add_text(blocks, "0.0.0.0", "9.255.255.255", NULL);
	add_text(blocks, "192.168.1.0", "192.168.1.255", NULL);
	add_text(blocks, "250.0.0.0", "255.255.255.255", NULL);
	add_text(map_of(world, "ingress4", RULESET_KEY_IPV4), "10.1.0.9", NULL, "web");
	chain_of(world, "web", RULESET_NO_HOOK, web_rules, ELEMENTS_OF(web_rules));
	chain_of(world, "forward", RULESET_HOOK_FORWARD, forward_rules, ELEMENTS_OF(forward_rules));
	chain_of(world, "nothing", RULESET_NO_HOOK, NULL, 0);
}

/* What they did, and what `nft list` shows afterwards must be what it showed before. */
static const struct {
	const char *name;
	const char *command;
} meddlings[] = {
	{ "an element goes", "nft delete element inet holdfast peers '{ 10.0.0.3 }'" },
	{ "an element comes", "nft add element inet holdfast peers '{ 99.0.0.3 }'" },
	{ "all elements go", "nft flush set inet holdfast peers" },
	{ "an interval goes", "nft delete element inet holdfast blocks '{ 192.168.1.0/24 }'" },
	{ "the interval at the bottom goes", "nft delete element inet holdfast blocks '{ 0.0.0.0-9.255.255.255 }'" },
	{ "the interval at the top goes", "nft delete element inet holdfast blocks '{ 250.0.0.0-255.255.255.255 }'" },
	{ "an interval comes", "nft add element inet holdfast blocks '{ 100.64.0.0/10 }'" },
	{ "an interval comes next to another", "nft add element inet holdfast blocks '{ 192.168.2.0/24 }'" },
	{ "an interval is moved", "nft delete element inet holdfast blocks '{ 192.168.1.0/24 }'; nft add element inet holdfast blocks '{ "
				  "192.168.1.128-192.168.2.3 }'" },
	{ "a pod is let out of the map", "nft delete element inet holdfast ingress4 '{ 10.1.0.9 }'" },
	{ "a pod's verdict becomes accept",
	  "nft delete element inet holdfast ingress4 '{ 10.1.0.9 }'; nft add element inet holdfast ingress4 '{ 10.1.0.9 : accept }'" },
	{ "a pod's target becomes another chain", "nft delete element inet holdfast ingress4 '{ 10.1.0.9 }'; nft add element inet holdfast "
						  "ingress4 '{ 10.1.0.9 : goto nothing }'" },
	{ "a rule comes first", "nft insert rule inet holdfast web accept" },
	{ "a rule comes last", "nft add rule inet holdfast web accept" },
	{ "a rule comes into an empty chain", "nft add rule inet holdfast nothing accept" },
	{ "the first rule goes",
	  "nft delete rule inet holdfast web handle $(nft -a list chain inet holdfast web | sed -n 's/.*@peers.*handle //p')" },
	{ "the last rule goes",
	  "nft delete rule inet holdfast web handle $(nft -a list chain inet holdfast web | sed -n 's/.*drop.*handle //p')" },
	{ "all rules go", "nft flush chain inet holdfast web" },
	{ "a rule is replaced by another",
	  "nft replace rule inet holdfast web handle $(nft -a list chain inet holdfast web | sed -n 's/.*drop.*handle //p') accept" },
	{ "a base chain's rule goes",
	  "nft delete rule inet holdfast forward handle $(nft -a list chain inet holdfast forward | sed -n 's/.*vmap.*handle //p')" },
	{ "a base chain's policy becomes drop", "nft chain inet holdfast forward '{ policy drop; }'" },
	{ "a chain comes", "nft add chain inet holdfast theirs; nft add rule inet holdfast theirs jump web" },
	{ "a base chain comes", "nft add chain inet holdfast theirs '{ type filter hook input priority -5; policy drop; }'; nft add rule "
				"inet holdfast theirs accept" },
	{ "a set comes", "nft add set inet holdfast theirs '{ type ipv6_addr; }'" },
	{ "a set of a type we never make comes", "nft add set inet holdfast theirs '{ type ether_addr; }'" },
	{ "a set with timeouts comes", "nft add set inet holdfast theirs '{ type ipv4_addr; flags timeout; }'" },
	{ "a counter comes", "nft add counter inet holdfast theirs" },
	{ "a counter comes with a rule that counts",
	  "nft 'add counter inet holdfast theirs; add rule inet holdfast web counter name theirs'" },
	{ "a counter goes, with the rule that counts", "nft 'flush chain inet holdfast web; delete counter inet holdfast dropped'" },
	{ "an object that is no counter comes", "nft add quota inet holdfast theirs '{ over 1 mbytes }'" },
	{ "the table sleeps", "nft add table inet holdfast '{ flags dormant; }'" },
	{ "the table goes", "nft delete table inet holdfast" },
	{ "everything goes", "nft flush ruleset" },
	{ "the table is made again with a set of another type", "nft delete table inet holdfast; nft 'table inet holdfast { set peers { "
								"type ipv6_addr; }; chain web { ip6 saddr @peers accept; }; }'" },
	{ "the table is made again with a plain chain where a hook was",
	  "nft delete table inet holdfast; nft 'table inet holdfast { chain forward { drop; }; }'" },
};

static void test_reconcile_repairs(void **state)
{
	for (size_t i = 0; i < ELEMENTS_OF(meddlings); i++) {
		struct world *world;
		struct nft_report report;
		struct error err;

		assert_int_equal(world_setup((void **)&world), 0);
		build(world);
		must_apply(world);
		_cleanup_free_ char *before = output_of("nft list table inet holdfast | sort");
		run("%s", meddlings[i].command);
		if (nft_reconcile(world->nft, world->ruleset, &report, &err) < 0)
			fail_msg("%s: %s", meddlings[i].name, err.message);
		if (report.transactions < 1 || report.transactions > 2)
			fail_msg("%s: %zu transactions", meddlings[i].name, report.transactions);
		_cleanup_free_ char *after = output_of("nft list table inet holdfast | sort");
		if (strcmp(before, after) != 0)
			fail_msg("%s: not repaired:\n%s\n---\n%s", meddlings[i].name, before, after);
		assert_kernel_has_all(world);
		world_teardown((void **)&world);
	}
}

static void test_an_untouched_table_costs_no_transaction(void **state)
{
	struct world *world = *state;
	struct nft_report report;
	struct error err;

	build(world);
	must_apply(world);
	assert_int_equal(nft_reconcile(world->nft, world->ruleset, &report, &err), 0);
	assert_int_equal(report.transactions, 0);
}

/* A new agent knows nothing but what it reads. */
static void test_a_restarted_agent_takes_over_without_a_change(void **state)
{
	struct world *world = *state;
	struct nft_report report;
	struct error err;

	build(world);
	must_apply(world);
	_cleanup_free_ char *before = output_of("nft -a list table inet holdfast");
	ruleset_free(world->ruleset);
	nft_close(world->nft);
	world->ruleset = ruleset_new(RULESET_INET);
	assert_int_equal(nft_open(&world->nft, &err), 0);
	build(world);
	assert_int_equal(nft_reconcile(world->nft, world->ruleset, &report, &err), 0);
	assert_int_equal(report.messages, 0);
	_cleanup_free_ char *after = output_of("nft -a list table inet holdfast");
	assert_string_equal(before, after);
}

static void test_an_event_after_the_table_went_fails_and_reconcile_repairs(void **state)
{
	struct world *world = *state;
	struct error err;

	build(world);
	must_apply(world);
	run("nft delete table inet holdfast");
	add_text(ruleset_set_find(world->ruleset, "peers"), "10.77.0.1", NULL, NULL);
	assert_int_equal(nft_apply(world->nft, world->ruleset, NULL, &err), -ENOENT);
	assert_non_null(strstr(err.message, "element 10.77.0.1 of set \"peers\": kernel: No such file or directory"));
	run("test -z \"$(nft list tables)\"");
	assert_int_equal(nft_reconcile(world->nft, world->ruleset, NULL, &err), 0);
	assert_kernel_has_all(world);
}

static void test_a_table_to_replace_refuses_a_ruleset_that_was_not_rebased(void **state)
{
	struct world *world = *state;
	struct error err;

	build(world);
	must_apply(world);
	run("nft add set inet holdfast theirs '{ type ether_addr; }'");
	ruleset_free(must_read(world));
	_cleanup_free_ char *before = output_of("nft -a list table inet holdfast");
	assert_int_equal(nft_apply(world->nft, world->ruleset, NULL, &err), -EINVAL);
	_cleanup_free_ char *after = output_of("nft -a list table inet holdfast");
	assert_string_equal(before, after);
}

/* Others' changes raise the same generation; the read repeats until it got everything in one. */
static void test_a_read_beside_a_busy_writer_is_whole(void **state)
{
	struct world *world = *state;
	char name[32];

	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "set%d", i);
		add_numbered(set_of(world, name, RULESET_KEY_IPV4), 0, 50, NULL);
	}
	must_apply(world);
	run("nft add table inet busy");
	FILE *writer = popen("for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do nft add chain inet busy c$i; done", "r");
	assert_non_null(writer);
	for (int i = 0; i < 20; i++)
		assert_kernel_has_all(world);
	assert_int_equal(pclose(writer), 0);
}

static void test_a_change_between_any_two_dumps_is_noticed(void **state)
{
	int n = -1;

	for (int at = -1; at < n || n < 0; at++) {
		_cleanup_(ruleset_freep) struct ruleset *first = NULL, *second = NULL;
		struct world *world;
		struct error err;

		assert_int_equal(world_setup((void **)&world), 0);
		build(world);
		must_apply(world);
		requests = 0;
		meddle_before = at;
		first = must_read(world);
		meddle_before = -1;
		if (at < 0)
			n = requests;
		second = must_read(world);
		assert_int_equal(ruleset_rebase(first, second, &err), 0);
		if (ruleset_is_pending(first))
			fail_msg("a change before request %d of %d went unnoticed", at, n);
		world_teardown((void **)&world);
	}
	assert_true(n > 6);
}

static void test_a_table_that_is_changed_faster_than_it_can_be_read_is_replaced(void **state)
{
	struct world *world = *state;
	struct nft_report report;
	struct error err;
	int r;

	build(world);
	must_apply(world);
	never_pause = true;
	r = nft_reconcile(world->nft, world->ruleset, &report, &err);
	never_pause = false;
	if (r < 0)
		fail_msg("%s", err.message);
	assert_int_equal(report.transactions, 1);
	assert_kernel_has_all(world);
}

static void test_rules_in_another_order_are_put_right(void **state)
{
	_cleanup_(nft_transaction_free) struct nft_transaction tx = {};
	struct world *world = *state;
	struct error err;

	build(world);
	must_apply(world);
	const struct ruleset_chain *web = ruleset_chain_find(world->ruleset, "web");
	nft_transaction_begin(&tx, NFPROTO_INET, world->nft->socket.sequence, SIZE_MAX);
	nft_step_chain_flush(&tx, web);
	for (size_t i = web->n_rules; i-- > 0;)
		assert_int_equal(nft_step_rule_add(&tx, web, i, &err), 0);
	assert_int_equal(nft_transaction_run(&tx, &world->nft->socket, &err), 0);
	struct nft_report report;
	assert_int_equal(nft_reconcile(world->nft, world->ruleset, &report, &err), 0);
	assert_int_equal(report.transactions, 1);
	assert_kernel_has_all(world);
}

#define PROMISE(test) cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reconcile_repairs),
		PROMISE(test_an_untouched_table_costs_no_transaction),
		PROMISE(test_a_restarted_agent_takes_over_without_a_change),
		PROMISE(test_an_event_after_the_table_went_fails_and_reconcile_repairs),
		PROMISE(test_a_table_to_replace_refuses_a_ruleset_that_was_not_rebased),
		cmocka_unit_test(test_a_change_between_any_two_dumps_is_noticed),
		PROMISE(test_a_table_that_is_changed_faster_than_it_can_be_read_is_replaced),
		PROMISE(test_rules_in_another_order_are_put_right),
		PROMISE(test_a_read_beside_a_busy_writer_is_whole),
	};

	need_namespaces();
	return cmocka_run_group_tests_name("nft_repair", tests, NULL, NULL);
}
