// SPDX-License-Identifier: Apache-2.0
/* Many elements, many chains: nothing is lost on the way, whatever the sizes of attributes and buffers. */
#include "tests/net/nft_support.h"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "common/base/array.h"

static const struct {
	const char *name;
	enum ruleset_key key;
	bool interval;
	uint32_t n;
} cases[] = {
	{ "no element", RULESET_KEY_IPV4, false, 0 },
	{ "one element", RULESET_KEY_IPV4, false, 1 },
	{ "one less than wraps 16 bits", RULESET_KEY_IPV4, false, 4095 },
	{ "wraps 16 bits to zero", RULESET_KEY_IPV4, false, 4096 },
	{ "wraps 16 bits to 48 elements", RULESET_KEY_IPV4, false, 4144 },
	{ "10,000 IPv4", RULESET_KEY_IPV4, false, 10000 },
	{ "100,000 IPv4", RULESET_KEY_IPV4, false, 100000 },
	{ "10,000 IPv6", RULESET_KEY_IPV6, false, 10000 },
	{ "100,000 IPv6", RULESET_KEY_IPV6, false, 100000 },
	{ "10,000 IPv4 with port", RULESET_KEY_IPV4_PORT, false, 10000 },
	{ "100,000 IPv6 with port", RULESET_KEY_IPV6_PORT, false, 100000 },
	{ "5,000 IPv4 intervals", RULESET_KEY_IPV4, true, 5000 },
	{ "5,000 IPv6 intervals", RULESET_KEY_IPV6, true, 5000 },
	{ "16,384 port intervals up to the top", RULESET_KEY_PORT, true, 16384 },
};

static size_t count_of_kernel(struct world *world, const char *name)
{
	_cleanup_(ruleset_freep) struct ruleset *kernel = must_read(world);
	const struct ruleset_set *set = ruleset_set_find(kernel, name);

	assert_non_null(set);
	return set->elements.n;
}

static void test_every_element_of_a_new_set_arrives(void **state)
{
	for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
		struct world *world;
		assert_int_equal(world_setup((void **)&world), 0);
		struct ruleset_set *set = cases[i].interval ? interval_set_of(world, "s", cases[i].key) : set_of(world, "s", cases[i].key);
		add_numbered(set, 0, cases[i].n, NULL);
		must_apply(world);
		if (count_of_kernel(world, "s") != cases[i].n)
			fail_msg("%s: the kernel has %zu", cases[i].name, count_of_kernel(world, "s"));
		assert_kernel_has_all(world);
		world_teardown((void **)&world);
	}
}

/* nft's own count, as a second opinion on our reading. */
static void test_nft_counts_the_same(void **state)
{
	struct world *world = *state;

	add_numbered(set_of(world, "s", RULESET_KEY_IPV4), 0, 4144, NULL);
	add_numbered(interval_set_of(world, "i", RULESET_KEY_IPV4), 0, 5000, NULL);
	must_apply(world);
	run("test $(nft -j list set inet holdfast s | jq '.nftables[1].set.elem | length') = 4144");
	run("test $(nft -j list set inet holdfast i | jq '.nftables[1].set.elem | length') = 5000");
}

static void test_many_elements_join_and_leave_an_old_set_in_one_transaction(void **state)
{
	struct world *world = *state;
	struct ruleset_set *set = set_of(world, "s", RULESET_KEY_IPV4);

	add_numbered(set, 0, 5000, NULL);
	must_apply(world);
	add_numbered(set, 5000, 20000, NULL);
	remove_numbered(set, 0, 5000);
	assert_int_equal(must_apply(world).transactions, 1);
	assert_int_equal(count_of_kernel(world, "s"), 20000);
	assert_kernel_has_all(world);
}

static void test_a_cold_start_goes_in_parts_and_an_event_in_one(void **state)
{
	struct world *world = *state;

	build_cluster(world, 1000);
	struct nft_report report = must_apply(world);
	assert_true(report.transactions > 1);
	assert_kernel_has_all(world);
	add_numbered(ruleset_set_find(world->ruleset, "peers00500"), 500 * 16 + 10, 1, NULL);
	report = must_apply(world);
	assert_int_equal(report.transactions, 1);
	assert_int_equal(report.messages, 2);
}

/* The visible part is refused after the unseen parts went in: the old rules stay, and the next try starts from what is there. */
static void test_a_refusal_of_the_last_part_leaves_the_visible_rules(void **state)
{
	struct world *world = *state;
	struct error err;

	build_cluster(world, 1);
	must_apply(world);
	_cleanup_free_ char *before = output_of("nft list chain inet holdfast forward; nft list map inet holdfast ingress4");
	build_cluster(world, 1000);
	add_text(ruleset_set_find(world->ruleset, "ingress4"), "10.9.9.9", NULL, "nowhere");
	assert_int_equal(nft_apply(world->nft, world->ruleset, NULL, &err), -ENOENT);
	_cleanup_free_ char *after = output_of("nft list chain inet holdfast forward; nft list map inet holdfast ingress4");
	assert_string_equal(before, after);
	uint8_t bad[4] = { 10, 9, 9, 9 };
	assert_int_equal(ruleset_element_remove(ruleset_set_find(world->ruleset, "ingress4"), bad, &err), 0);
	if (nft_reconcile(world->nft, world->ruleset, NULL, &err) < 0)
		fail_msg("%s", err.message);
	assert_kernel_has_all(world);
}

/* Parts would be deleted by the replacement, or be seen before it. */
static void test_a_large_table_is_replaced_in_one_transaction(void **state)
{
	struct world *world = *state;
	struct nft_report report;
	struct error err;

	build_cluster(world, 1000);
	must_apply(world);
	run("nft add set inet holdfast theirs '{ type ether_addr; }'");
	if (nft_reconcile(world->nft, world->ruleset, &report, &err) < 0)
		fail_msg("%s", err.message);
	assert_int_equal(report.transactions, 1);
	assert_true(report.messages > 7000);
	assert_kernel_has_all(world);
}

/*
 * In a user namespace SO_SNDBUFFORCE is forbidden, and net.core.wmem_max limits SO_SNDBUF. Here both are forbidden, so that the send
 * buffer stays at its default, 212,992 bytes on most systems, whatever this machine's administrator allows.
 */
static bool forbid_large_send_buffers(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	bool done = filter &&
		    seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(setsockopt), 1, SCMP_A2(SCMP_CMP_EQ, SO_SNDBUF)) == 0 &&
		    seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(setsockopt), 1, SCMP_A2(SCMP_CMP_EQ, SO_SNDBUFFORCE)) == 0 &&
		    seccomp_load(filter) == 0;

	seccomp_release(filter);
	return done;
}

static void succeed(int r, const struct error *err)
{
	if (r == 0)
		return;
	print_error("%s\n", err->message);
	_exit(1);
}

static void load_a_cluster(struct world *world)
{
	_cleanup_(ruleset_freep) struct ruleset *kernel = NULL;
	struct nft_report report;
	struct error err = {};

	build_cluster(world, 1500);
	add_numbered(set_of(world, "s", RULESET_KEY_IPV4), 0, 10000, NULL);
	add_numbered(set_of(world, "t", RULESET_KEY_IPV6), 0, 40000, NULL);
	succeed(nft_apply(world->nft, world->ruleset, &report, &err), &err);
	succeed(nft_read(world->nft, RULESET_INET, &kernel, &err), &err);
	succeed(ruleset_rebase(world->ruleset, kernel, &err), &err);
	if (report.transactions < 5 || ruleset_is_pending(world->ruleset))
		_exit(1);
}

/* What packets see must change at once; where that does not fit, the error says which limit to raise. */
static void overflow(struct world *world)
{
	struct ruleset_set *set = set_of(world, "s", RULESET_KEY_IPV4);
	struct error err = {};

	add_numbered(set, 0, 1, NULL);
	succeed(nft_apply(world->nft, world->ruleset, NULL, &err), &err);
	add_numbered(set, 1, 100000, NULL);
	if (nft_apply(world->nft, world->ruleset, NULL, &err) != -EMSGSIZE || !strstr(err.message, "raise net.core.wmem_max"))
		_exit(1);
}

static void with_a_small_send_buffer(void (*body)(struct world *world))
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		struct world world = { .ruleset = ruleset_new(RULESET_INET) };
		struct error err = {};
		if (unshare(CLONE_NEWNET) < 0 || !forbid_large_send_buffers())
			_exit(77);
		succeed(nft_open(&world.nft, &err), &err);
		body(&world);
		nft_close(world.nft);
		ruleset_free(world.ruleset);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_a_small_send_buffer_still_loads_everything(void **state)
{
	with_a_small_send_buffer(load_a_cluster);
}

static void test_too_large_a_change_names_the_limit_to_raise(void **state)
{
	with_a_small_send_buffer(overflow);
}

/* One pod that serves all there are. */
static void test_a_pod_with_65535_ports_loads(void **state)
{
	struct world *world = *state;
	struct ruleset_set *set = set_of(world, "s", RULESET_KEY_IPV6_PORT);
	char element[64];

	for (int port = 1; port <= 65535; port++) {
		snprintf(element, sizeof(element), "fd00::9 tcp %d", port);
		add_text(set, element, NULL, NULL);
	}
	must_apply(world);
	assert_int_equal(count_of_kernel(world, "s"), 65535);
	assert_kernel_has_all(world);
}

#define PROMISE(test) cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_element_of_a_new_set_arrives),
		PROMISE(test_nft_counts_the_same),
		PROMISE(test_a_pod_with_65535_ports_loads),
		PROMISE(test_many_elements_join_and_leave_an_old_set_in_one_transaction),
		PROMISE(test_a_cold_start_goes_in_parts_and_an_event_in_one),
		PROMISE(test_a_refusal_of_the_last_part_leaves_the_visible_rules),
		PROMISE(test_a_large_table_is_replaced_in_one_transaction),
		cmocka_unit_test(test_a_small_send_buffer_still_loads_everything),
		cmocka_unit_test(test_too_large_a_change_names_the_limit_to_raise),
	};

	need_namespaces();
	return cmocka_run_group_tests_name("nft_bulk", tests, NULL, NULL);
}
