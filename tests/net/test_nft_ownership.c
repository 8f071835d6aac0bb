// SPDX-License-Identifier: Apache-2.0
/* A table that nobody else can change: how it is taken, kept, left behind and found again. */
#include "tests/net/nft_support.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/base/array.h"
#include "cni-plugin/nft/internal.h"
#include "cni-plugin/nft/transaction.h"

/* An older kernel, which refuses what it does not know. */
int __real_nft_transaction_run(struct nft_transaction *tx, struct nft_socket *socket, struct error *err);
int __wrap_nft_transaction_run(struct nft_transaction *tx, struct nft_socket *socket, struct error *err);

static bool is_old_kernel;

int __wrap_nft_transaction_run(struct nft_transaction *tx, struct nft_socket *socket, struct error *err)
{
	if (is_old_kernel && tx->rehearsal)
		return error_set(err, EOPNOTSUPP, "kernel: Operation not supported");
	return __real_nft_transaction_run(tx, socket, err);
}

static void build(struct world *world)
{
	static const struct rule drop[] = { { .verdict = RULESET_DROP } };
	static const struct rule forward[] = { { .verdict = RULESET_DESTINATION_MAP, .target = "ingress4" } };

	add_numbered(set_of(world, "peers", RULESET_KEY_IPV4), 0, 10, NULL);
	add_text(map_of(world, "ingress4", RULESET_KEY_IPV4), "10.1.0.9", NULL, "web");
	chain_of(world, "web", RULESET_NO_HOOK, drop, 1);
	chain_of(world, "forward", RULESET_HOOK_FORWARD, forward, 1);
}

static void own(struct world *world)
{
	struct error err;
	int r = nft_own(world->nft, &err);

	if (r < 0)
		fail_msg("%s", err.message);
	if (r == 0)
		skip();
}

/* The agent ends, and another one comes that wants the same. */
static void restart(struct world *world, bool wants_ownership)
{
	struct error err;

	nft_close(world->nft);
	ruleset_free(world->ruleset);
	world->ruleset = ruleset_new(RULESET_INET);
	assert_int_equal(nft_open(&world->nft, &err), 0);
	if (wants_ownership)
		own(world);
	build(world);
}

static struct nft_report must_reconcile(struct world *world)
{
	struct nft_report report;
	struct error err;

	if (nft_reconcile(world->nft, world->ruleset, &report, &err) < 0)
		fail_msg("%s", err.message);
	return report;
}

/* With handles, without what says whose it is. */
static char *content(void)
{
	return output_of("nft -a list table inet holdfast | sed '/flags/d; s/ { # progname .*/ {/; s/^table inet holdfast {.*/table/'");
}

static void assert_refused_to_others(const char *command)
{
	_cleanup_free_ char *before = content(), *answer = output_of("%s 2>&1 || true", command);

	if (!strstr(answer, "Operation not permitted"))
		fail_msg("`%s`: %s", command, answer);
	_cleanup_free_ char *after = content();
	assert_string_equal(before, after);
}

static void test_others_can_neither_change_nor_flush_nor_delete_it(void **state)
{
	struct world *world = *state;

	own(world);
	build(world);
	must_apply(world);
	assert_true(nft_is_owned(world->nft, RULESET_INET));
	assert_refused_to_others("nft delete table inet holdfast");
	assert_refused_to_others("nft flush chain inet holdfast web");
	assert_refused_to_others("nft insert rule inet holdfast web accept");
	assert_refused_to_others("nft delete element inet holdfast ingress4 '{ 10.1.0.9 }'");
	assert_refused_to_others("nft add table inet holdfast '{ flags dormant; }'");
	_cleanup_free_ char *before = content();
	run("nft flush ruleset");
	_cleanup_free_ char *after = content();
	assert_string_equal(before, after);
	add_numbered(ruleset_set_find(world->ruleset, "peers"), 10, 5, NULL);
	must_apply(world);
	assert_kernel_has_all(world);
}

static void test_it_outlives_its_owner_and_the_next_one_takes_it_with_one_message(void **state)
{
	struct world *world = *state;

	own(world);
	build(world);
	must_apply(world);
	_cleanup_free_ char *before = content();
	restart(world, true);
	_cleanup_free_ char *meanwhile = content();
	assert_string_equal(before, meanwhile);
	struct nft_report report = must_reconcile(world);
	assert_int_equal(report.messages, 1);
	assert_true(nft_is_owned(world->nft, RULESET_INET));
	assert_refused_to_others("nft delete table inet holdfast");
	_cleanup_free_ char *after = content();
	assert_string_equal(before, after);
	report = must_reconcile(world);
	assert_int_equal(report.messages, 0);
}

static void test_a_plain_table_is_taken_over_in_one_transaction(void **state)
{
	struct world *world = *state;

	build(world);
	must_apply(world);
	restart(world, true);
	struct nft_report report = must_reconcile(world);
	assert_int_equal(report.transactions, 1);
	assert_true(nft_is_owned(world->nft, RULESET_INET));
	assert_refused_to_others("nft delete table inet holdfast");
	assert_kernel_has_all(world);
}

/* Before the first sync the agent adds elements to what it found, and does not know enough to make all of it anew. */
static void test_a_plain_table_can_be_changed_before_it_is_taken_over(void **state)
{
	_cleanup_(ruleset_freep) struct ruleset *found = NULL;
	struct world *world = *state;
	struct error err;

	build(world);
	must_apply(world);
	restart(world, true);
	found = must_read(world);
	ruleset_committed(found);
	add_text(ruleset_set_find(found, "ingress4"), "10.1.0.10", NULL, "web");
	assert_int_equal(nft_apply(world->nft, found, NULL, &err), 0);
	assert_false(nft_is_owned(world->nft, RULESET_INET));
	run("nft get element inet holdfast ingress4 '{ 10.1.0.10 }'");
}

static void test_a_refused_takeover_leaves_the_plain_table(void **state)
{
	static const struct rule nowhere[] = { { .verdict = RULESET_JUMP, .target = "nowhere" } };
	struct world *world = *state;
	struct error err;

	build(world);
	must_apply(world);
	_cleanup_free_ char *before = content();
	restart(world, true);
	chain_of(world, "bad", RULESET_NO_HOOK, nowhere, 1);
	assert_int_equal(nft_reconcile(world->nft, world->ruleset, NULL, &err), -ENOENT);
	_cleanup_free_ char *after = content();
	assert_string_equal(before, after);
	ruleset_chain_remove(world->ruleset, "bad");
	must_reconcile(world);
	assert_true(nft_is_owned(world->nft, RULESET_INET));
	assert_kernel_has_all(world);
}

static void test_ownership_that_is_no_longer_wanted_is_given_up(void **state)
{
	struct world *world = *state;

	own(world);
	build(world);
	must_apply(world);
	restart(world, false);
	struct nft_report report = must_reconcile(world);
	assert_int_equal(report.transactions, 1);
	assert_kernel_has_all(world);
	run("nft flush chain inet holdfast web");
}

static void test_an_orphan_that_others_changed_is_repaired(void **state)
{
	struct world *world = *state;

	own(world);
	build(world);
	must_apply(world);
	_cleanup_free_ char *before = output_of("nft list table inet holdfast | sort");
	restart(world, true);
	run("nft flush chain inet holdfast web");
	must_reconcile(world);
	_cleanup_free_ char *after = output_of("nft list table inet holdfast | sort");
	assert_string_equal(before, after);
	restart(world, true);
	run("nft delete chain inet holdfast forward");
	must_reconcile(world);
	assert_kernel_has_all(world);
	restart(world, true);
	run("nft flush ruleset");
	must_reconcile(world);
	assert_true(nft_is_owned(world->nft, RULESET_INET));
	assert_kernel_has_all(world);
}

static void test_a_table_of_another_owner_is_said_to_be_that(void **state)
{
	struct world *world = *state;
	struct nft *other = NULL;
	struct error err;

	own(world);
	build(world);
	must_apply(world);
	assert_int_equal(nft_open(&other, &err), 0);
	assert_int_equal(nft_own(other, &err), 1);
	assert_int_equal(nft_reconcile(other, world->ruleset, NULL, &err), -EPERM);
	assert_non_null(strstr(err.message, "another process owns the table"));
	nft_close(other);
	assert_kernel_has_all(world);
	assert_refused_to_others("nft delete table inet holdfast");
}

static void test_an_older_kernel_gets_a_plain_table(void **state)
{
	struct world *world = *state;
	struct error err;

	is_old_kernel = true;
	int r = nft_own(world->nft, &err);
	is_old_kernel = false;
	assert_int_equal(r, 0);
	build(world);
	must_apply(world);
	assert_false(nft_is_owned(world->nft, RULESET_INET));
	assert_kernel_has_all(world);
	run("nft delete table inet holdfast");
}

static void test_asking_leaves_nothing(void **state)
{
	struct world *world = *state;

	own(world);
	run("test -z \"$(nft list ruleset)\"");
}

#define PROMISE(test) cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PROMISE(test_others_can_neither_change_nor_flush_nor_delete_it),
		PROMISE(test_it_outlives_its_owner_and_the_next_one_takes_it_with_one_message),
		PROMISE(test_a_plain_table_is_taken_over_in_one_transaction),
		PROMISE(test_a_plain_table_can_be_changed_before_it_is_taken_over),
		PROMISE(test_a_refused_takeover_leaves_the_plain_table),
		PROMISE(test_ownership_that_is_no_longer_wanted_is_given_up),
		PROMISE(test_an_orphan_that_others_changed_is_repaired),
		PROMISE(test_a_table_of_another_owner_is_said_to_be_that),
		PROMISE(test_an_older_kernel_gets_a_plain_table),
		PROMISE(test_asking_leaves_nothing),
	};

	need_namespaces();
	return cmocka_run_group_tests_name("nft_ownership", tests, NULL, NULL);
}
