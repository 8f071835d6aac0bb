// SPDX-License-Identifier: Apache-2.0
/* What the kernel tells of other processes' changes of our tables, and what it does not bother us with. */
#include "tests/net/nft_support.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/array.h"
#include "cni-plugin/nft/watch.h"

struct watching {
	struct world *world;
	struct nft_watch *watch;
};

static int setup(void **state)
{
	struct watching *watching = calloc(1, sizeof(*watching));
	struct error err;

	assert_non_null(watching);
	world_setup((void **)&watching->world);
	if (nft_watch_open(watching->world->nft, &watching->watch, &err) < 0)
		fail_msg("%s", err.message);
	*state = watching;
	return 0;
}

static int teardown(void **state)
{
	struct watching *watching = *state;

	nft_watch_close(watching->watch);
	world_teardown((void **)&watching->world);
	free(watching);
	return 0;
}

static void build(struct world *world)
{
	static const struct rule drop[] = { { .verdict = RULESET_DROP } };
	static const struct rule forward[] = { { .verdict = RULESET_DESTINATION_MAP, .target = "ingress4" } };

	add_numbered(set_of(world, "peers", RULESET_KEY_IPV4), 0, 10, NULL);
	add_text(map_of(world, "ingress4", RULESET_KEY_IPV4), "10.1.0.9", NULL, "web");
	chain_of(world, "web", RULESET_NO_HOOK, drop, 1);
	chain_of(world, "forward", RULESET_HOOK_FORWARD, forward, 1);
	must_apply(world);
}

/* How many transactions that meddled have been told, and the last of them. */
static size_t told(struct nft_watch *watch, struct nft_meddling *ret)
{
	struct nft_meddling next;
	struct error err;
	size_t n = 0;
	int r;

	while ((r = nft_watch_receive(watch, &next, &err)) > 0) {
		if (next.n_changes == 0)
			continue;
		*ret = next;
		n++;
	}
	if (r < 0)
		fail_msg("%s", err.message);
	return n;
}

static const struct {
	const char *command;
	const char *first;
} meddlings[] = {
	{ "nft delete table inet holdfast", "deletion of " },
	{ "nft flush ruleset", "deletion of " },
	{ "nft add table inet holdfast '{ flags dormant; }'", "creation or change of table inet holdfast" },
	{ "nft add chain inet holdfast theirs", "creation or change of chain \"theirs\" of table inet holdfast" },
	{ "nft add rule inet holdfast web accept", "new rule in chain \"web\" of table inet holdfast" },
	{ "nft flush chain inet holdfast web", "deletion of a rule in chain \"web\" of table inet holdfast" },
	{ "nft add set inet holdfast theirs '{ type ipv4_addr; }'", "creation or change of set \"theirs\" of table inet holdfast" },
	{ "nft add element inet holdfast peers '{ 9.9.9.9 }'", "new element in set \"peers\" of table inet holdfast" },
	{ "nft flush set inet holdfast peers", "deletion of an element in set \"peers\" of table inet holdfast" },
	{ "nft delete element inet holdfast ingress4 '{ 10.1.0.9 }'", "deletion of an element in set \"ingress4\" of table inet holdfast" },
	{ "nft add counter inet holdfast theirs", "creation or change of object \"theirs\" of table inet holdfast" },
	{ "nft add table netdev holdfast", "creation or change of table netdev holdfast" },
	{ "nft 'add table inet other; add chain inet other c; flush chain inet holdfast web; delete table inet other'",
	  "deletion of a rule in chain \"web\" of table inet holdfast" },
};

static void test_every_change_is_told_with_the_program_that_made_it(void **state)
{
	struct nft_meddling meddling;

	for (size_t i = 0; i < ELEMENTS_OF(meddlings); i++) {
		struct watching *watching;
		setup((void **)&watching);
		build(watching->world);
		run("%s", meddlings[i].command);
		if (told(watching->watch, &meddling) != 1)
			fail_msg("`%s` is not told, or more than once", meddlings[i].command);
		if (strncmp(meddling.first, meddlings[i].first, strlen(meddlings[i].first)) != 0)
			fail_msg("`%s` is told as %s", meddlings[i].command, meddling.first);
		assert_string_equal(meddling.program, "nft");
		assert_true(meddling.process > 0);
		teardown((void **)&watching);
	}
}

/* Nor are they queued: 100,000 notifications of ours would not fit. */
static void test_what_we_write_ourselves_is_not_told(void **state)
{
	struct watching *watching = *state;
	struct nft_meddling meddling;

	build(watching->world);
	add_numbered(ruleset_set_find(watching->world->ruleset, "peers"), 10, 100000, NULL);
	must_apply(watching->world);
	assert_int_equal(told(watching->watch, &meddling), 0);
	struct pollfd queue = { .fd = nft_watch_fd(watching->watch), .events = POLLIN };
	assert_int_equal(poll(&queue, 1, 0), 0);
}

static void test_tables_of_others_are_not_told(void **state)
{
	struct watching *watching = *state;
	struct nft_meddling meddling;

	build(watching->world);
	run("nft 'add table ip kube-proxy; add chain ip kube-proxy c; add rule ip kube-proxy c accept; add table ip holdfast; "
	    "add set ip holdfast peers { type ipv4_addr; }; add table inet holdfast2; delete table ip kube-proxy'");
	assert_int_equal(told(watching->watch, &meddling), 0);
}

static void test_a_transaction_of_many_changes_is_told_once(void **state)
{
	struct watching *watching = *state;
	struct nft_meddling meddling;

	build(watching->world);
	run("for i in $(seq 1000); do echo add element inet holdfast peers { 9.9.$((i / 250)).$((i %% 250)) }; done | nft -f -");
	assert_int_equal(told(watching->watch, &meddling), 1);
	assert_int_equal(meddling.n_changes, 1000);
}

/* The queue is of the kernel's size; the reader is told that something is missing, and hears what comes after. */
static void test_a_loss_is_told_and_later_changes_are_heard(void **state)
{
	struct watching *watching = *state;
	struct nft_meddling meddling;
	struct error err;
	int small = 4096, r;

	build(watching->world);
	assert_int_equal(setsockopt(nft_watch_fd(watching->watch), SOL_SOCKET, SO_RCVBUFFORCE, &small, sizeof(small)), 0);
	run("for i in $(seq 1000); do echo add element inet holdfast peers { 9.9.$((i / 250)).$((i %% 250)) }; done | nft -f -");
	size_t lost = 0;
	while ((r = nft_watch_receive(watching->watch, &meddling, &err)) != 0) {
		lost += r == -ENOBUFS;
		assert_true(r > 0 || r == -ENOBUFS);
	}
	assert_true(lost > 0);
	run("nft flush chain inet holdfast web");
	assert_int_equal(told(watching->watch, &meddling), 1);
	assert_string_equal(meddling.first, "deletion of a rule in chain \"web\" of table inet holdfast");
}

#define PROMISE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_change_is_told_with_the_program_that_made_it),
		PROMISE(test_what_we_write_ourselves_is_not_told),
		PROMISE(test_tables_of_others_are_not_told),
		PROMISE(test_a_transaction_of_many_changes_is_told_once),
		PROMISE(test_a_loss_is_told_and_later_changes_are_heard),
	};

	need_namespaces();
	return cmocka_run_group_tests_name("nft_watch", tests, NULL, NULL);
}
