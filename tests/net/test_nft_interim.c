// SPDX-License-Identifier: Apache-2.0
/*
 * Base chains give way to others under fire (cni-plugin/nft/interim.c): no forbidden packet passes, no allowed one is lost, and whoever
 * dies in between is finished by the next one. A table of somebody else's, between the places of old and new chains, holds each forbidden
 * packet for 250 microseconds. Then one slips through in one change of ten without the interim table, and in one of forty without the
 * waiting.
 */
#include "tests/net/nft_support.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cni-plugin/nft/internal.h"
#include "cni-plugin/nft/transaction.h"
#include "common/base/array.h"

#define SLOW_RULES 10000
#define FORBIDDEN "127.0.0.2", "fd00::2"
#define ALLOWED "127.0.0.3", "fd00::3"

/* How many more transactions there are until the writer dies; -1: it lives. */
static int life = -1;
static size_t n_interim; /* transactions on an interim table */

int __real_nft_transaction_run(struct nft_transaction *tx, struct nft_socket *socket, struct error *err);
int __wrap_nft_transaction_run(struct nft_transaction *tx, struct nft_socket *socket, struct error *err);

int __wrap_nft_transaction_run(struct nft_transaction *tx, struct nft_socket *socket, struct error *err)
{
	if (life == 0)
		return error_set(err, EPIPE, "it is dead");
	life -= life > 0;
	n_interim += strcmp(tx->table, RULESET_INTERIM) == 0;
	return __real_nft_transaction_run(tx, socket, err);
}

struct layout {
	const char *chain, *map, *target;
	int priority;    /* behind the slow table, or before it */
	bool other_type; /* of a set */
	bool longer;     /* the base chain has a rule more */
};

static void put_base_chain(struct world *world, const struct layout *layout, const char *map6)
{
	struct ruleset_rule rules[] = {
		{ .verdict = RULESET_DESTINATION_MAP, .target = strdup(layout->map) },
		{ .verdict = RULESET_DESTINATION_MAP, .target = strdup(map6) },
		{ .matches = { { .type = RULESET_ANSWER } }, .n_matches = 1, .verdict = RULESET_ACCEPT },
	};
	size_t n = layout->longer ? 3 : 2;
	struct error err;

	if (ruleset_chain_put(world->ruleset, layout->chain, RULESET_HOOK_OUTPUT, layout->priority, "", rules, n, &err) < 0)
		fail_msg("%s", err.message);
}

static void build(struct world *world, const struct layout *layout)
{
	static const struct rule drop[] = { { .verdict = RULESET_DROP } };
	char map6[32];

	snprintf(map6, sizeof(map6), "%s-6", layout->map);
	add_text(map_of(world, layout->map, RULESET_KEY_IPV4), "127.0.0.2", NULL, layout->target);
	add_text(map_of(world, map6, RULESET_KEY_IPV6), "fd00::2", NULL, layout->target);
	add_numbered(set_of(world, "peers", layout->other_type ? RULESET_KEY_IPV6 : RULESET_KEY_IPV4), 0, 10, NULL);
	chain_of(world, layout->target, RULESET_NO_HOOK, drop, 1);
	put_base_chain(world, layout, map6);
}

static const struct {
	const char *name;
	struct layout layouts[2];
	bool take_over; /* the second one owns its table, the first one does not */
} kinds[] = {
	{ "all has other names", { { "output", "pods", "judge", 10 }, { "out", "egress", "policy", -10 } } },
	{ "the same name in another place", { { "output", "pods", "judge", 10 }, { "output", "pods", "judge", -10 } } },
	{ "other rules, which look into another map",
	  { { "output", "pods", "judge", 10 }, { "output", "egress", "judge", 10, .longer = true } } },
	{ "a set of another type", { { "output", "pods", "judge", 10 }, { "output", "pods", "judge", -10, .other_type = true } } },
	{ "a table with an owner", { { "output", "pods", "judge", 10 }, { "output", "pods", "judge", -10 } }, .take_over = true },
};

/* A writer begins anew, and brings this layout. */
static int upgrade(struct world *world, size_t kind, int i, struct error *err)
{
	nft_close(world->nft);
	ruleset_free(world->ruleset);
	world->ruleset = ruleset_new(RULESET_INET);
	int r = nft_open(&world->nft, err);
	if (r == 0 && kinds[kind].take_over && i % 2)
		r = nft_own(world->nft, err);
	if (r < 0)
		return r;
	build(world, &kinds[kind].layouts[i % 2]);
	return nft_reconcile(world->nft, world->ruleset, NULL, err);
}

static void must_upgrade(struct world *world, size_t kind, int i)
{
	struct error err;

	if (upgrade(world, kind, i, &err) < 0)
		fail_msg("%s: %s", kinds[kind].name, err.message);
	assert_kernel_has_all(world);
	assert_false(nft_is_table_pending(world->nft, RULESET_INET));
}

struct flood {
	atomic_bool over;
	atomic_ulong sent, passed, allowed, lost;
};

static void aim(const char *v4, const char *v6, struct sockaddr_in *to4, struct sockaddr_in6 *to6)
{
	*to4 = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(9) };
	*to6 = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = htons(9) };
	assert_int_equal(inet_pton(AF_INET, v4, &to4->sin_addr), 1);
	assert_int_equal(inet_pton(AF_INET6, v6, &to6->sin6_addr), 1);
}

/* sendto fails with EPERM if the packet is dropped on the output hook. Nobody listens; the errors that come back are for the next call. */
static bool passes(int fd, const void *to, socklen_t n)
{
	ssize_t r = sendto(fd, "x", 1, 0, to, n);

	while (r < 0 && errno == ECONNREFUSED)
		r = sendto(fd, "x", 1, 0, to, n);
	return r == 1;
}

static void *send_both(void *context)
{
	int fd4 = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), fd6 = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in forbidden4, allowed4;
	struct sockaddr_in6 forbidden6, allowed6;
	struct flood *flood = context;

	aim(FORBIDDEN, &forbidden4, &forbidden6);
	aim(ALLOWED, &allowed4, &allowed6);
	while (!flood->over) {
		flood->passed += passes(fd4, &forbidden4, sizeof(forbidden4)) + passes(fd6, &forbidden6, sizeof(forbidden6));
		flood->lost += !passes(fd4, &allowed4, sizeof(allowed4)) + !passes(fd6, &allowed6, sizeof(allowed6));
		flood->sent += 2;
		flood->allowed += 2;
	}
	close(fd4);
	close(fd6);
	return NULL;
}

#define SENDERS 2

struct fire {
	struct flood flood;
	pthread_t threads[SENDERS];
};

static void open_fire(struct fire *fire)
{
	*fire = (struct fire){};
	for (size_t i = 0; i < SENDERS; i++)
		assert_int_equal(pthread_create(&fire->threads[i], NULL, send_both, &fire->flood), 0);
	while (fire->flood.sent == 0)
		sched_yield();
}

static void cease_fire(struct fire *fire, const char *name, int changes)
{
	struct flood *flood = &fire->flood;

	flood->over = true;
	for (size_t i = 0; i < SENDERS; i++)
		pthread_join(fire->threads[i], NULL);
	print_message("# %s: %lu of %lu forbidden packets passed, %lu of %lu allowed were lost, during %d changes\n", name, flood->passed,
		      flood->sent, flood->lost, flood->allowed, changes);
	assert_int_equal(flood->passed, 0);
	assert_int_equal(flood->lost, 0);
}

/* On a loopback of its own; and what holds packets up. */
static int setup(void **state)
{
	assert_int_equal(world_setup(state), 0);
	run("ip address add fd00::2/128 dev lo nodad; ip address add fd00::3/128 dev lo nodad");
	run("(echo 'table inet slow { chain output { type filter hook output priority 0; ip daddr 127.0.0.3 accept; ip6 daddr fd00::3 "
	    "accept;'; seq -f 'meta mark %%g' %d; echo '}'; echo '}') | nft -f -",
	    SLOW_RULES);
	return 0;
}

/* HOLDFAST_CHANGES: more of them than CI has time for. */
static int changes(void)
{
	const char *wanted = getenv("HOLDFAST_CHANGES");

	return wanted ? atoi(wanted) : 20;
}

static void test_when_base_chains_change_nothing_passes_and_nothing_is_lost(void **state)
{
	for (size_t kind = 0; kind < ELEMENTS_OF(kinds); kind++) {
		struct world *world;
		struct fire fire;

		assert_int_equal(setup((void **)&world), 0);
		must_upgrade(world, kind, 0);
		open_fire(&fire);
		for (int i = 1; i <= changes(); i++)
			must_upgrade(world, kind, i);
		cease_fire(&fire, kinds[kind].name, changes());
		world_teardown((void **)&world);
	}
}

/* False: it has not died, for it needs no more transactions than these. */
static bool die_after(struct world *world, size_t kind, int i, int transactions)
{
	struct error err;

	life = transactions;
	int r = upgrade(world, kind, i, &err);
	life = -1;
	return r < 0;
}

/* From the first layout to the second; then the same writer comes again, or the one before. */
static int die_in_between(struct world *world, size_t kind, int successor)
{
	int transactions = 0;
	bool died;

	do {
		must_upgrade(world, kind, 0);
		died = die_after(world, kind, 1, transactions++);
		must_upgrade(world, kind, successor);
	} while (died);
	return transactions;
}

static void test_who_dies_in_between_leaves_a_whole_table_and_the_next_one_finishes(void **state)
{
	for (size_t kind = 0; kind < ELEMENTS_OF(kinds); kind++) {
		struct world *world;
		struct fire fire;

		assert_int_equal(setup((void **)&world), 0);
		must_upgrade(world, kind, 0);
		open_fire(&fire);
		int n = die_in_between(world, kind, 1) + die_in_between(world, kind, 0);
		cease_fire(&fire, kinds[kind].name, n);
		assert_true(n > 10);
		run("test $(nft list tables | grep -c holdfast) = 1");
		world_teardown((void **)&world);
	}
}

/* Nothing that an interim table has may outlive it: it would judge by policies of yesterday. */
static void test_an_interim_table_that_was_left_is_deleted_though_ours_is_right(void **state)
{
	struct world *world = *state;

	must_upgrade(world, 0, 0);
	run("nft add table inet holdfast-interim");
	must_upgrade(world, 0, 0);
	run("test $(nft list tables | grep -c holdfast) = 1");
}

static void build_sender(struct world *world, int priority)
{
	struct ruleset_rule accept = { .verdict = RULESET_ACCEPT };
	struct error err;

	nft_close(world->nft);
	ruleset_free(world->ruleset);
	world->ruleset = ruleset_new(RULESET_NETDEV);
	assert_int_equal(nft_open(&world->nft, &err), 0);
	assert_int_equal(ruleset_ingress_put(world->ruleset, "from-lo", "lo", priority, "", &accept, 1, &err), 0);
	if (nft_reconcile(world->nft, world->ruleset, NULL, &err) < 0)
		fail_msg("%s", err.message);
}

static void test_a_chain_on_an_interface_moves_behind_an_interim_table_too(void **state)
{
	struct world *world = *state;

	build_sender(world, -300);
	n_interim = 0;
	build_sender(world, -200);
	assert_int_equal(n_interim, 2);
	run("nft list table netdev holdfast | grep -q 'priority -200'");
	run("test $(nft list tables | grep -c holdfast) = 1");
}

static void test_a_change_of_policies_needs_no_interim_table(void **state)
{
	static const struct rule longer[] = { { .matches = { { .type = RULESET_ANSWER } }, .n_matches = 1 }, { .verdict = RULESET_DROP } };
	struct world *world = *state;

	n_interim = 0;
	must_upgrade(world, 0, 0);
	chain_of(world, "judge", RULESET_NO_HOOK, longer, 2);
	chain_of(world, "another", RULESET_NO_HOOK, longer, 2);
	add_text(ruleset_set_find(world->ruleset, "pods"), "127.0.0.2", NULL, "another");
	must_apply(world);
	assert_int_equal(n_interim, 0);
	must_upgrade(world, 0, 1);
	assert_true(n_interim > 0);
}

#define PROMISE(test) cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_when_base_chains_change_nothing_passes_and_nothing_is_lost),
		cmocka_unit_test(test_who_dies_in_between_leaves_a_whole_table_and_the_next_one_finishes),
		PROMISE(test_an_interim_table_that_was_left_is_deleted_though_ours_is_right),
		PROMISE(test_a_chain_on_an_interface_moves_behind_an_interim_table_too),
		PROMISE(test_a_change_of_policies_needs_no_interim_table),
	};

	need_namespaces();
	setpriority(PRIO_PROCESS, 0, -20); /* the senders have to send, on a busy machine too */
	return cmocka_run_group_tests_name("nft_interim", tests, NULL, NULL);
}
