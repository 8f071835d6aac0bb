// SPDX-License-Identifier: Apache-2.0
/*
 * What packets meet that are on their way while a change of policies is committed (cni-plugin/nft/apply.c; of base chains:
 * test_nft_interim.c). The flood finds the window that there was, some hundred nanoseconds of each commit: with the new chain in the same
 * transaction as the element that leads to it, 9 of 1.5 million forbidden packets passed during 5,000 commits.
 */
#include "tests/net/nft_support.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cni-plugin/nft/internal.h"
#include "cni-plugin/nft/transaction.h"
#include "common/base/array.h"

#define COMMITS 10000
#define FLOODERS 2
#define NEW_NAMES_MAX 20000

/* Sets and regular chains that are new since the last reset, and what is wrong with a transaction that was sent. */
static struct {
	char *names[NEW_NAMES_MAX];
	size_t n;
	char wrong[512];
} seen;

static void forget_seen(void)
{
	while (seen.n > 0)
		free(seen.names[--seen.n]);
	seen.wrong[0] = 0;
}

static bool is_new(const char *name)
{
	for (size_t i = 0; i < seen.n; i++)
		if (strcmp(seen.names[i], name) == 0)
			return true;
	return false;
}

static void note_new(const char *name)
{
	assert_true(seen.n < NEW_NAMES_MAX);
	seen.names[seen.n++] = strdup(name);
}

/* Nothing that a packet can meet in the generation in which it is committed. */
static bool is_unseen(const struct nlmsghdr *message)
{
	switch (NFNL_MSG_TYPE(message->nlmsg_type)) {
	case NFT_MSG_NEWTABLE:
	case NFT_MSG_NEWOBJ:
	case NFT_MSG_NEWSET:
		return true;
	case NFT_MSG_NEWCHAIN:
		return !nft_has(message, NFTA_CHAIN_HOOK);
	case NFT_MSG_NEWRULE:
		return is_new(nft_text_of(message, NFTA_RULE_CHAIN));
	case NFT_MSG_NEWSETELEM:
		return is_new(nft_text_of(message, NFTA_SET_ELEM_LIST_SET));
	}
	return false;
}

static void look_at(const struct nft_transaction *tx)
{
	const struct nlmsghdr *message = (const struct nlmsghdr *)tx->bytes.p;
	int left = (int)tx->bytes.n;
	bool makes = false, shows = false;

	for (; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
		if (NFNL_SUBSYS_ID(message->nlmsg_type) != NFNL_SUBSYS_NFTABLES)
			continue;
		int type = NFNL_MSG_TYPE(message->nlmsg_type);
		if (type == NFT_MSG_NEWCHAIN && !nft_has(message, NFTA_CHAIN_HOOK))
			note_new(nft_text_of(message, NFTA_CHAIN_NAME));
		if (type == NFT_MSG_NEWSET)
			note_new(nft_text_of(message, NFTA_SET_NAME));
		makes |= type == NFT_MSG_NEWRULE && is_new(nft_text_of(message, NFTA_RULE_CHAIN));
		shows |= !is_unseen(message);
	}
	if (makes && shows)
		snprintf(seen.wrong, sizeof(seen.wrong), "a transaction of %zu steps makes a chain and shows something to packets",
			 tx->n_steps);
}

int __real_nft_transaction_run(struct nft_transaction *tx, struct nft_socket *socket, struct error *err);
int __wrap_nft_transaction_run(struct nft_transaction *tx, struct nft_socket *socket, struct error *err);

int __wrap_nft_transaction_run(struct nft_transaction *tx, struct nft_socket *socket, struct error *err)
{
	int r = __real_nft_transaction_run(tx, socket, err);

	look_at(tx);
	return r;
}

static struct nft_report must_apply_in_order(struct world *world)
{
	forget_seen();
	struct nft_report report = must_apply(world);
	if (seen.wrong[0])
		fail_msg("%s", seen.wrong);
	return report;
}

static const struct rule drop[] = { { .verdict = RULESET_DROP } };
static const struct rule to_next[] = { { .verdict = RULESET_JUMP, .target = "next" } };
static const struct rule look_up[] = { { .verdict = RULESET_DESTINATION_MAP, .target = "egress4" } };

static void build(struct world *world)
{
	add_text(map_of(world, "egress4", RULESET_KEY_IPV4), "127.0.0.2", NULL, "first");
	chain_of(world, "first", RULESET_NO_HOOK, drop, 1);
	chain_of(world, "output", RULESET_HOOK_OUTPUT, look_up, 1);
}

static void test_no_transaction_makes_a_chain_and_leads_packets_to_it(void **state)
{
	struct world *world = *state;

	build(world);
	must_apply_in_order(world);
	/* An element and a changed chain lead to new chains, one of which uses a new set. */
	static const struct rule peers[] = { { .matches = { { .type = RULESET_SOURCE_IN, .set = "peers" } }, .n_matches = 1 },
					     { .verdict = RULESET_DROP } };
	add_numbered(set_of(world, "peers", RULESET_KEY_IPV4), 0, 10, NULL);
	chain_of(world, "next", RULESET_NO_HOOK, peers, ELEMENTS_OF(peers));
	chain_of(world, "second", RULESET_NO_HOOK, drop, 1);
	chain_of(world, "first", RULESET_NO_HOOK, to_next, 1);
	add_text(ruleset_set_find(world->ruleset, "egress4"), "127.0.0.2", NULL, "second");
	assert_int_equal(must_apply_in_order(world).transactions, 2);
	assert_kernel_has_all(world);
}

static void test_nor_does_one_of_many_that_are_needed_for_thousands(void **state)
{
	struct world *world = *state;

	build_cluster(world, 1);
	must_apply_in_order(world);
	build_cluster(world, 1000);
	assert_true(must_apply_in_order(world).transactions > 2);
	assert_kernel_has_all(world);
}

/* As the seal of the layout: packets find nothing in it, before and after. */
static void test_a_new_chain_without_rules_costs_no_transaction(void **state)
{
	struct world *world = *state;

	build(world);
	must_apply_in_order(world);
	chain_of(world, "empty", RULESET_NO_HOOK, NULL, 0);
	add_text(ruleset_set_find(world->ruleset, "egress4"), "127.0.0.3", NULL, "first");
	assert_int_equal(must_apply_in_order(world).transactions, 1);
	assert_kernel_has_all(world);
}

struct flood {
	atomic_bool over;
	atomic_ulong sent, passed;
};

/* sendto fails with EPERM if the packet is dropped on the output hook. */
static void *send_forbidden(void *context)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9), .sin_addr = { htonl(0x7f000002) } };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct flood *flood = context;

	while (!flood->over) {
		flood->passed += sendto(fd, "x", 1, 0, (const struct sockaddr *)&to, sizeof(to)) == 1;
		flood->sent++;
	}
	close(fd);
	return NULL;
}

/* The element goes to a chain that is made for it, again and again. */
static void lead_to_a_new_chain(struct world *world, int i)
{
	char name[32], last[32];

	snprintf(name, sizeof(name), "drop%d", i);
	snprintf(last, sizeof(last), "drop%d", i - 1);
	chain_of(world, name, RULESET_NO_HOOK, drop, 1);
	add_text(ruleset_set_find(world->ruleset, "egress4"), "127.0.0.2", NULL, name);
	ruleset_chain_remove(world->ruleset, i == 0 ? "first" : last);
}

static void lead_to_an_old_chain(struct world *world, int i)
{
	if (i == 0)
		chain_of(world, "second", RULESET_NO_HOOK, drop, 1);
	add_text(ruleset_set_find(world->ruleset, "egress4"), "127.0.0.2", NULL, i % 2 ? "first" : "second");
}

static void rewrite_the_chain(struct world *world, int i)
{
	static const struct rule longer[] = { { .matches = { { .type = RULESET_ANSWER } }, .n_matches = 1 }, { .verdict = RULESET_DROP } };

	chain_of(world, "first", RULESET_NO_HOOK, i % 2 ? drop : longer, i % 2 ? 1 : ELEMENTS_OF(longer));
}

static const struct {
	const char *name;
	void (*change)(struct world *world, int i);
} changes[] = {
	{ "to a new chain", lead_to_a_new_chain },
	{ "to an old chain", lead_to_an_old_chain },
	{ "a chain with other rules", rewrite_the_chain },
};

static void commit_under_fire(struct world *world, void (*change)(struct world *world, int i), struct flood *flood)
{
	pthread_t threads[FLOODERS];

	for (size_t i = 0; i < FLOODERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, send_forbidden, flood), 0);
	while (flood->sent == 0)
		sched_yield();
	for (int i = 0; i < COMMITS; i++) {
		change(world, i);
		must_apply(world);
		forget_seen();
	}
	flood->over = true;
	for (size_t i = 0; i < FLOODERS; i++)
		pthread_join(threads[i], NULL);
}

static void test_a_packet_that_is_forbidden_before_and_after_a_commit_is_so_during_it(void **state)
{
	for (size_t i = 0; i < ELEMENTS_OF(changes); i++) {
		struct flood flood = {};
		struct world *world;

		assert_int_equal(world_setup((void **)&world), 0);
		build(world);
		must_apply(world);
		commit_under_fire(world, changes[i].change, &flood);
		if (flood.passed > 0)
			fail_msg("%s: %lu of %lu forbidden packets passed during %d commits", changes[i].name, flood.passed, flood.sent,
				 COMMITS);
		world_teardown((void **)&world);
	}
}

#define PROMISE(test) cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PROMISE(test_no_transaction_makes_a_chain_and_leads_packets_to_it),
		PROMISE(test_nor_does_one_of_many_that_are_needed_for_thousands),
		PROMISE(test_a_new_chain_without_rules_costs_no_transaction),
		cmocka_unit_test(test_a_packet_that_is_forbidden_before_and_after_a_commit_is_so_during_it),
	};

	need_namespaces();
	int failed = cmocka_run_group_tests_name("nft_window", tests, NULL, NULL);
	forget_seen();
	return failed;
}
