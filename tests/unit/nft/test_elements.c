// SPDX-License-Identifier: Apache-2.0
/* Elements to messages and back, without a kernel: what the kernel would dump is what the steps say, in another order. */
#include "cni-plugin/nft/elements.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>

#include "common/base/array.h"

static struct ruleset_set *set_in(struct ruleset *ruleset, enum ruleset_key key, bool interval, bool map)
{
	struct ruleset_set *set = NULL;
	struct error err;

	assert_int_equal(ruleset_set_add(ruleset, "s", key, interval, map, "", &set, &err), 0);
	return set;
}

static void add(struct ruleset_set *set, const char *first, const char *last, const char *target)
{
	int family = set->key == RULESET_KEY_IPV6 ? AF_INET6 : AF_INET;
	uint8_t element[32];
	struct error err;

	assert_int_equal(inet_pton(family, first, element), 1);
	if (last)
		assert_int_equal(inet_pton(family, last, element + ruleset_key_size(set->key)), 1);
	assert_int_equal(ruleset_element_add(set, element, target, &err), 0);
}

/* All messages of a transaction, given to the reader as if the kernel had sent them. */
static int read_back(const struct nft_transaction *tx, struct ruleset_set *into, struct error *err)
{
	_cleanup_(nft_elements_reader_free) struct nft_elements_reader reader = NFT_ELEMENTS_READER(into);
	const struct nlmsghdr *message = (const struct nlmsghdr *)tx->bytes.p;
	int left = (int)tx->bytes.n, r = 0;

	for (; r == 0 && mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left))
		r = nft_elements_take(&reader, message, err);
	return r < 0 ? r : nft_elements_finish(&reader, into, err);
}

static void assert_same(const struct ruleset_set *a, const struct ruleset_set *b)
{
	assert_int_equal(a->elements.n, b->elements.n);
	if (a->elements.n > 0)
		assert_memory_equal(a->elements.bytes, b->elements.bytes, a->elements.n * a->stride);
	for (size_t i = 0; a->map && i < a->elements.n; i++)
		assert_string_equal(a->targets[i], b->targets[i]);
}

static void assert_round_trip(const struct ruleset_set *set)
{
	_cleanup_(nft_transaction_free) struct nft_transaction tx = {};
	_cleanup_(ruleset_freep) struct ruleset *other = ruleset_new(RULESET_INET);
	struct ruleset_set *copy = set_in(other, set->key, set->interval, set->map);
	struct error err;

	nft_transaction_begin(&tx, NFPROTO_INET, 1, SIZE_MAX);
	for (size_t at = 0; at < set->elements.n;)
		at += nft_elements_step(&tx, true, set, &set->elements, at);
	assert_int_equal(tx.failed, 0);
	assert_int_equal(read_back(&tx, copy, &err), 0);
	assert_same(set, copy);
}

static void test_intervals_at_both_ends_and_touching_bytes_come_back(void **state)
{
	static const struct {
		enum ruleset_key key;
		const char *first, *last;
	} cases[] = {
		{ RULESET_KEY_IPV4, "0.0.0.0", "255.255.255.255" },
		{ RULESET_KEY_IPV4, "0.0.0.0", "0.0.0.0" },
		{ RULESET_KEY_IPV4, "255.255.255.255", "255.255.255.255" },
		{ RULESET_KEY_IPV4, "10.0.0.0", "10.0.255.255" },
		{ RULESET_KEY_IPV4, "9.255.255.255", "10.0.0.0" },
		{ RULESET_KEY_IPV6, "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
		{ RULESET_KEY_IPV6, "2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff" },
		{ RULESET_KEY_IPV6, "::1", "::1" },
	};

	for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
		_cleanup_(ruleset_freep) struct ruleset *ruleset = ruleset_new(RULESET_INET);
		struct ruleset_set *set = set_in(ruleset, cases[i].key, true, false);
		add(set, cases[i].first, cases[i].last, NULL);
		assert_round_trip(set);
	}
}

static void test_an_interval_to_the_top_has_no_end_element(void **state)
{
	_cleanup_(nft_transaction_free) struct nft_transaction tx = {};
	_cleanup_(ruleset_freep) struct ruleset *ruleset = ruleset_new(RULESET_INET);
	struct ruleset_set *set = set_in(ruleset, RULESET_KEY_IPV4, true, false);
	struct nft_elements_reader reader = NFT_ELEMENTS_READER(set);
	struct error err;

	add(set, "10.0.0.0", "255.255.255.255", NULL);
	nft_transaction_begin(&tx, NFPROTO_INET, 1, SIZE_MAX);
	nft_elements_step(&tx, true, set, &set->elements, 0);
	assert_int_equal(nft_elements_take(&reader, (struct nlmsghdr *)(tx.bytes.p + tx.last), &err), 0);
	assert_int_equal(reader.records.n, set->stride / 2 + 1 + sizeof(uint32_t)); /* one */
	nft_elements_reader_free(&reader);
}

static void test_a_map_comes_back_with_its_targets(void **state)
{
	_cleanup_(ruleset_freep) struct ruleset *ruleset = ruleset_new(RULESET_INET);
	struct ruleset_set *set = set_in(ruleset, RULESET_KEY_IPV4, false, true);
	char longest[RULESET_NAME_MAX + 1] = {};

	memset(longest, 'x', RULESET_NAME_MAX);
	add(set, "10.0.0.2", NULL, "pod-b");
	add(set, "10.0.0.1", NULL, longest);
	assert_round_trip(set);
}

/* The attribute that holds a message's elements has 16 bits for its length; all stay far below. */
static void test_no_message_comes_near_64_kib(void **state)
{
	_cleanup_(nft_transaction_free) struct nft_transaction tx = {};
	_cleanup_(ruleset_freep) struct ruleset *ruleset = ruleset_new(RULESET_INET);
	struct ruleset_set *set = set_in(ruleset, RULESET_KEY_IPV6, false, true);
	char target[RULESET_NAME_MAX + 1] = {};
	uint8_t key[16] = {};
	struct error err;
	size_t messages = 0;

	memset(target, 'x', RULESET_NAME_MAX);
	for (uint32_t i = 0; i < 5000; i++) {
		memcpy(key, &i, sizeof(i));
		assert_int_equal(ruleset_element_add(set, key, target, &err), 0);
	}
	nft_transaction_begin(&tx, NFPROTO_INET, 1, SIZE_MAX);
	for (size_t at = 0; at < set->elements.n; messages++) {
		at += nft_elements_step(&tx, true, set, &set->elements, at);
		assert_true(((struct nlmsghdr *)(tx.bytes.p + tx.last))->nlmsg_len < 20 * 1024);
	}
	assert_true(messages > 80);
	assert_round_trip(set);
}

/* What others may have put there. */
static void put_raw(struct nft_transaction *tx, const char *address, bool end)
{
	struct nlmsghdr *message = nft_transaction_step(tx, NFT_MSG_NEWSETELEM, 0, 512, "raw");
	struct nlattr *list = mnl_attr_nest_start(message, NFTA_SET_ELEM_LIST_ELEMENTS);
	struct nlattr *element = mnl_attr_nest_start(message, NFTA_LIST_ELEM);
	struct in_addr key;

	if (end)
		mnl_attr_put_u32(message, NFTA_SET_ELEM_FLAGS, htonl(NFT_SET_ELEM_INTERVAL_END));
	struct nlattr *nest = mnl_attr_nest_start(message, NFTA_SET_ELEM_KEY);
	assert_int_equal(inet_pton(AF_INET, address, &key), 1);
	mnl_attr_put(message, NFTA_DATA_VALUE, sizeof(key), &key);
	mnl_attr_nest_end(message, nest);
	mnl_attr_nest_end(message, element);
	mnl_attr_nest_end(message, list);
	nft_transaction_put(tx, message);
}

static void test_the_end_at_zero_that_nft_writes_is_no_interval(void **state)
{
	_cleanup_(nft_transaction_free) struct nft_transaction tx = {};
	_cleanup_(ruleset_freep) struct ruleset *ruleset = ruleset_new(RULESET_INET), *expected = ruleset_new(RULESET_INET);
	struct ruleset_set *set = set_in(ruleset, RULESET_KEY_IPV4, true, false), *wanted = set_in(expected, RULESET_KEY_IPV4, true, false);
	struct error err;

	add(wanted, "10.0.0.0", "10.0.0.255", NULL);
	nft_transaction_begin(&tx, NFPROTO_INET, 1, SIZE_MAX);
	put_raw(&tx, "10.0.1.0", true);
	put_raw(&tx, "10.0.0.0", false);
	put_raw(&tx, "0.0.0.0", true);
	assert_int_equal(read_back(&tx, set, &err), 0);
	assert_same(set, wanted);
}

static void test_neighbouring_intervals_stay_apart(void **state)
{
	_cleanup_(nft_transaction_free) struct nft_transaction tx = {};
	_cleanup_(ruleset_freep) struct ruleset *ruleset = ruleset_new(RULESET_INET), *expected = ruleset_new(RULESET_INET);
	struct ruleset_set *set = set_in(ruleset, RULESET_KEY_IPV4, true, false), *wanted = set_in(expected, RULESET_KEY_IPV4, true, false);
	struct error err;

	add(wanted, "10.0.0.0", "10.0.0.255", NULL);
	add(wanted, "10.0.1.0", "10.0.1.9", NULL);
	nft_transaction_begin(&tx, NFPROTO_INET, 1, SIZE_MAX);
	put_raw(&tx, "10.0.1.0", false);
	put_raw(&tx, "10.0.1.0", true);
	put_raw(&tx, "10.0.1.10", true);
	put_raw(&tx, "10.0.0.0", false);
	assert_int_equal(read_back(&tx, set, &err), 0);
	assert_same(set, wanted);
}

static void test_an_element_met_twice_means_that_others_are_missing(void **state)
{
	_cleanup_(nft_transaction_free) struct nft_transaction tx = {};
	_cleanup_(ruleset_freep) struct ruleset *ruleset = ruleset_new(RULESET_INET);
	struct ruleset_set *set = set_in(ruleset, RULESET_KEY_IPV4, false, false);
	struct error err;

	nft_transaction_begin(&tx, NFPROTO_INET, 1, SIZE_MAX);
	put_raw(&tx, "10.0.0.1", false);
	put_raw(&tx, "10.0.0.2", false);
	put_raw(&tx, "10.0.0.1", false);
	assert_int_equal(read_back(&tx, set, &err), -EAGAIN);
	assert_int_equal(set->elements.n, 0);
}

static void test_a_key_of_another_size_is_refused(void **state)
{
	_cleanup_(nft_transaction_free) struct nft_transaction tx = {};
	_cleanup_(ruleset_freep) struct ruleset *ruleset = ruleset_new(RULESET_INET);
	struct ruleset_set *set = set_in(ruleset, RULESET_KEY_IPV6, false, false);
	struct error err;

	nft_transaction_begin(&tx, NFPROTO_INET, 1, SIZE_MAX);
	put_raw(&tx, "10.0.0.1", false);
	assert_int_equal(read_back(&tx, set, &err), -EPROTO);
	assert_string_equal(err.message, "the kernel has an element of 4 bytes in a set of keys of 16");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_intervals_at_both_ends_and_touching_bytes_come_back),
		cmocka_unit_test(test_an_interval_to_the_top_has_no_end_element),
		cmocka_unit_test(test_a_map_comes_back_with_its_targets),
		cmocka_unit_test(test_no_message_comes_near_64_kib),
		cmocka_unit_test(test_the_end_at_zero_that_nft_writes_is_no_interval),
		cmocka_unit_test(test_neighbouring_intervals_stay_apart),
		cmocka_unit_test(test_an_element_met_twice_means_that_others_are_missing),
		cmocka_unit_test(test_a_key_of_another_size_is_refused),
	};

	return cmocka_run_group_tests_name("nft_elements", tests, NULL, NULL);
}
