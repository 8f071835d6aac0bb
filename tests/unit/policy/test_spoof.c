// SPDX-License-Identifier: Apache-2.0
/*
 * Who may send as whom, as a ruleset. Its print is a golden file (UPDATE=1 writes it anew); what it does to packets is shown with real ones
 * in tests/net/test_agent_spoof.bats.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cni-plugin/policy/spoof.h"
#include "common/base/file.h"

#define GOLDEN TEST_DATA "/golden/spoof/ruleset.golden"
#define TEXT_MAX (1024 * 1024)

static struct kube_address address_of(const char *text)
{
	struct kube_address address;

	assert_int_equal(kube_address_parse(text, &address, NULL), 0);
	return address;
}

static struct spoof_sender web(void)
{
	return (struct spoof_sender){
		.device = "veth1a2b3c",
		.index = 7,
		.pod = "shop/web",
		.mac = { 0x0a, 0x58, 0x0a, 0xf4, 0x01, 0x05 },
		.addresses = { address_of("10.244.1.5"), address_of("fd44::5"), address_of("fe80::858:aff:fef4:105") },
		.n_addresses = 3,
	};
}

static struct spoof_sender router(void)
{
	return (struct spoof_sender){
		.device = "veth9",
		.index = 9,
		.pod = "infra/router",
		.mac = { 0x0a, 0x58, 0x0a, 0xf4, 0x01, 0x09 },
		.addresses = { address_of("10.244.1.9") },
		.n_addresses = 1,
		.trusted = true,
	};
}

static const struct ruleset_log no_log, log_all = { .group = 9470, .rate = 10, .burst = 50 };

static struct ruleset *skeleton(void)
{
	struct ruleset *ruleset = ruleset_new(RULESET_NETDEV);

	assert_non_null(ruleset);
	assert_int_equal(spoof_skeleton(ruleset, &no_log, NULL), 0);
	return ruleset;
}

static void put(struct ruleset *ruleset, struct spoof_sender sender)
{
	assert_int_equal(spoof_put(ruleset, &sender, NULL), 0);
}

static void remove_sender(struct ruleset *ruleset, struct spoof_sender sender)
{
	assert_int_equal(spoof_remove(ruleset, &sender, NULL), 0);
}

static void print(const struct ruleset *ruleset, struct buf *out)
{
	ruleset_print(ruleset, out);
	assert_int_equal(buf_check(out, "ruleset", NULL), 0);
}

static void test_the_table_is_the_golden_one(void **state)
{
	_cleanup_(ruleset_freep) struct ruleset *ruleset = skeleton();
	_cleanup_(buf_free) struct buf got = BUF_MAX(TEXT_MAX), wanted = BUF_MAX(TEXT_MAX);

	put(ruleset, web());
	put(ruleset, router());
	print(ruleset, &got);
	if (getenv("UPDATE"))
		assert_int_equal(file_write_atomic(GOLDEN, buf_view(&got), 0644, NULL), 0);
	assert_int_equal(file_read(GOLDEN, &wanted, NULL), 0);
	assert_string_equal(buf_text(&got), buf_text(&wanted));
}

static void test_each_drop_can_be_logged_before_it_under_its_reason(void **state)
{
	_cleanup_(ruleset_freep) struct ruleset *ruleset = ruleset_new(RULESET_NETDEV);
	const struct ruleset_chain *chain = NULL;
	enum spoof_reason reason;
	size_t n = 0;

	assert_int_equal(spoof_skeleton(ruleset, &log_all, NULL), 0);
	while ((chain = ruleset_next_chain(ruleset, chain))) {
		for (size_t i = 0; i < chain->n_rules; i++) {
			if (chain->rules[i].verdict != RULESET_DROP)
				continue;
			assert_true(i > 0 && chain->rules[i - 1].verdict == RULESET_CONTINUE);
			assert_string_equal(chain->rules[i - 1].log_prefix, chain->rules[i].counter);
			assert_int_equal(chain->rules[i - 1].n_matches, chain->rules[i].n_matches);
			assert_true(spoof_recognize(chain->rules[i - 1].log_prefix, &reason));
			n++;
		}
	}
	assert_int_equal(n, 15);
	assert_false(spoof_recognize("dropped-quarantine", &reason));
}

/* No packet may get to the end of a chain, where the base chain's policy would accept it. */
static void test_every_shared_chain_ends_with_a_drop_that_is_counted(void **state)
{
	_cleanup_(ruleset_freep) struct ruleset *ruleset = skeleton();
	const struct ruleset_chain *chain = NULL;
	size_t n = 0;

	for (; (chain = ruleset_next_chain(ruleset, chain)); n++) {
		const struct ruleset_rule *last = &chain->rules[chain->n_rules - 1];

		assert_int_equal(last->verdict, RULESET_DROP);
		assert_int_equal(last->n_matches, 0);
		assert_non_null(last->counter);
	}
	assert_int_equal(n, 12);
}

static void test_every_goto_has_a_chain_and_every_reason_a_rule(void **state)
{
	_cleanup_(ruleset_freep) struct ruleset *ruleset = skeleton();
	const struct ruleset_chain *chain = NULL;
	size_t uses[SPOOF_REASONS] = {};

	while ((chain = ruleset_next_chain(ruleset, chain))) {
		for (size_t i = 0; i < chain->n_rules; i++) {
			const struct ruleset_rule *rule = &chain->rules[i];

			assert_true(rule->verdict != RULESET_GOTO || ruleset_chain_find(ruleset, rule->target));
			for (int reason = 0; reason < SPOOF_REASONS && rule->verdict == RULESET_DROP; reason++)
				uses[reason] += strcmp(rule->counter, spoof_counter(ruleset, (enum spoof_reason)reason)->name) == 0;
		}
	}
	for (size_t i = 0; i < SPOOF_REASONS; i++)
		assert_true(uses[i] > 0);
}

static void test_a_pod_costs_a_chain_and_its_addresses_and_leaves_nothing(void **state)
{
	_cleanup_(ruleset_freep) struct ruleset *ruleset = skeleton();
	_cleanup_(buf_free) struct buf before = BUF_MAX(TEXT_MAX), after = BUF_MAX(TEXT_MAX);
	size_t n_chains = 0, n_elements = 0;
	struct ruleset_chain *chain = NULL;
	struct ruleset_set *set = NULL;

	print(ruleset, &before);
	ruleset_committed(ruleset);
	put(ruleset, web());
	while ((chain = ruleset_next_pending_chain(ruleset, chain)))
		n_chains += chain->state == RULESET_NEW;
	while ((set = ruleset_next_pending_set(ruleset, set)))
		n_elements += set->added.n;
	assert_int_equal(n_chains, 1);
	assert_int_equal(n_elements, 4);
	ruleset_committed(ruleset);
	remove_sender(ruleset, web());
	ruleset_committed(ruleset);
	print(ruleset, &after);
	assert_string_equal(buf_text(&after), buf_text(&before));
}

static void test_putting_a_pod_again_changes_nothing(void **state)
{
	_cleanup_(ruleset_freep) struct ruleset *ruleset = skeleton();

	put(ruleset, web());
	ruleset_committed(ruleset);
	put(ruleset, web());
	assert_false(ruleset_is_pending(ruleset));
}

static void test_trust_is_one_rule_and_can_be_read_back(void **state)
{
	_cleanup_(ruleset_freep) struct ruleset *ruleset = skeleton();
	struct spoof_sender sender = web();
	bool trusts = true;

	assert_int_equal(spoof_trusts(ruleset, sender.device, &trusts, NULL), 0);
	assert_false(trusts);
	put(ruleset, sender);
	ruleset_committed(ruleset);
	assert_int_equal(spoof_trusts(ruleset, sender.device, &trusts, NULL), 0);
	assert_false(trusts);
	sender.trusted = true;
	put(ruleset, sender);
	assert_int_equal(ruleset_chain_find(ruleset, "from-veth1a2b3c")->state, RULESET_CHANGED);
	assert_int_equal(spoof_trusts(ruleset, sender.device, &trusts, NULL), 0);
	assert_true(trusts);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_table_is_the_golden_one),
		cmocka_unit_test(test_each_drop_can_be_logged_before_it_under_its_reason),
		cmocka_unit_test(test_every_shared_chain_ends_with_a_drop_that_is_counted),
		cmocka_unit_test(test_every_goto_has_a_chain_and_every_reason_a_rule),
		cmocka_unit_test(test_a_pod_costs_a_chain_and_its_addresses_and_leaves_nothing),
		cmocka_unit_test(test_putting_a_pod_again_changes_nothing),
		cmocka_unit_test(test_trust_is_one_rule_and_can_be_read_back),
	};

	return cmocka_run_group_tests_name("policy_spoof", tests, NULL, NULL);
}
