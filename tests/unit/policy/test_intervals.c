// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cni-plugin/policy/intervals.h"
#include "common/base/array.h"
#include "common/base/buf.h"

#define RANGES_MAX 6
#define ALL (~(interval_number)0)

struct union_case {
	const char *name;
	struct interval ranges[RANGES_MAX];
	size_t n;
	const char *text;
};

static const struct union_case unions[] = {
	{ "nothing", { { 0 } }, 0, "" },
	{ "one", { { 5, 9 } }, 1, "5-9" },
	{ "apart, in any order", { { 20, 30 }, { 1, 2 }, { 10, 11 } }, 3, "1-2 10-11 20-30" },
	{ "overlapping", { { 1, 10 }, { 5, 20 } }, 2, "1-20" },
	{ "adjacent", { { 11, 20 }, { 1, 10 } }, 2, "1-20" },
	{ "one apart is not adjacent", { { 12, 20 }, { 1, 10 } }, 2, "1-10 12-20" },
	{ "one inside another", { { 1, 100 }, { 5, 6 }, { 7, 7 } }, 3, "1-100" },
	{ "a bridge between two", { { 1, 3 }, { 7, 9 }, { 4, 6 } }, 3, "1-9" },
	{ "equal ones", { { 4, 4 }, { 4, 4 } }, 2, "4-4" },
	{ "from zero", { { 0, 0 }, { 1, 1 } }, 2, "0-1" },
	{ "zero twice", { { 0, 0 }, { 0, 5 } }, 2, "0-5" },
};

static void print(const struct intervals *set, struct buf *out)
{
	for (size_t i = 0; i < set->n; i++)
		buf_printf(out, "%s%llu-%llu", i > 0 ? " " : "", (unsigned long long)set->items[i].first,
			   (unsigned long long)set->items[i].last);
}

static void assert_prints(const char *name, const struct intervals *set, const char *text)
{
	_cleanup_(buf_free) struct buf out = BUF_MAX(4096);

	print(set, &out);
	if (strcmp(buf_text(&out), text) != 0)
		fail_msg("%s: \"%s\" instead of \"%s\"", name, buf_text(&out), text);
}

static void fill(struct intervals *set, const struct interval *ranges, size_t n)
{
	for (size_t i = 0; i < n; i++)
		assert_int_equal(intervals_append(set, ranges[i], NULL), 0);
	intervals_tidy(set);
}

static void test_union_is_sorted_disjoint_and_not_adjacent(void **state)
{
	for (size_t i = 0; i < ELEMENTS_OF(unions); i++) {
		_cleanup_(intervals_free) struct intervals set = {};

		fill(&set, unions[i].ranges, unions[i].n);
		assert_prints(unions[i].name, &set, unions[i].text);
	}
}

struct difference_case {
	const char *name;
	struct interval from[RANGES_MAX], holes[RANGES_MAX];
	size_t n_from, n_holes;
	const char *text;
};

static const struct difference_case differences[] = {
	{ "no hole", { { 1, 9 } }, { { 0 } }, 1, 0, "1-9" },
	{ "a hole in the middle", { { 1, 9 } }, { { 4, 5 } }, 1, 1, "1-3 6-9" },
	{ "a hole at the start", { { 1, 9 } }, { { 1, 1 } }, 1, 1, "2-9" },
	{ "a hole at the end", { { 1, 9 } }, { { 9, 9 } }, 1, 1, "1-8" },
	{ "a hole over all", { { 1, 9 } }, { { 0, 10 } }, 1, 1, "" },
	{ "exactly all", { { 1, 9 } }, { { 1, 9 } }, 1, 1, "" },
	{ "beside", { { 5, 9 } }, { { 1, 4 }, { 10, 12 } }, 1, 2, "5-9" },
	{ "a hole over the gap between two", { { 1, 5 }, { 8, 12 } }, { { 4, 9 } }, 2, 1, "1-3 10-12" },
	{ "many", { { 1, 3 }, { 10, 20 }, { 30, 30 } }, { { 2, 2 }, { 12, 13 }, { 15, 40 } }, 3, 3, "1-1 3-3 10-11 14-14" },
	{ "from zero", { { 0, 3 } }, { { 0, 0 } }, 1, 1, "1-3" },
};

static void test_difference_takes_away_just_the_holes(void **state)
{
	for (size_t i = 0; i < ELEMENTS_OF(differences); i++) {
		_cleanup_(intervals_free) struct intervals from = {};
		_cleanup_(intervals_free) struct intervals holes = {};
		_cleanup_(intervals_free) struct intervals rest = {};

		fill(&from, differences[i].from, differences[i].n_from);
		fill(&holes, differences[i].holes, differences[i].n_holes);
		assert_int_equal(intervals_subtract(&from, &holes, &rest, NULL), 0);
		assert_prints(differences[i].name, &rest, differences[i].text);
	}
}

static void test_top_of_the_number_range_does_not_wrap(void **state)
{
	_cleanup_(intervals_free) struct intervals set = {};
	_cleanup_(intervals_free) struct intervals top = {};
	_cleanup_(intervals_free) struct intervals rest = {};

	fill(&set, (struct interval[]){ { 0, ALL - 1 }, { ALL, ALL } }, 2);
	assert_int_equal(set.n, 1);
	assert_true(set.items[0].first == 0 && set.items[0].last == ALL);
	fill(&top, (struct interval[]){ { ALL, ALL } }, 1);
	assert_int_equal(intervals_subtract(&set, &top, &rest, NULL), 0);
	assert_int_equal(rest.n, 1);
	assert_true(rest.items[0].last == ALL - 1);
}

struct cidr_case {
	const char *cidr;
	const char *first, *last;
};

static const struct cidr_case cidrs[] = {
	{ "0.0.0.0/0", "0.0.0.0", "255.255.255.255" },
	{ "10.1.2.3/32", "10.1.2.3", "10.1.2.3" },
	{ "10.1.2.3/8", "10.0.0.0", "10.255.255.255" },
	{ "255.255.255.254/31", "255.255.255.254", "255.255.255.255" },
	{ "::/0", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
	{ "fd00::1/128", "fd00::1", "fd00::1" },
	{ "fd00::1/65", "fd00::", "fd00::7fff:ffff:ffff:ffff" },
};

static void assert_address(interval_number number, const char *text)
{
	struct kube_address address;
	uint8_t bytes[16] = {};

	assert_int_equal(kube_address_parse(text, &address, NULL), 0);
	interval_bytes(number, bytes, address.family == AF_INET ? 4 : 16);
	assert_memory_equal(bytes, address.bytes, 16);
	assert_true(interval_address(&address) == number);
}

static void test_cidr_becomes_its_first_and_last_address(void **state)
{
	for (size_t i = 0; i < ELEMENTS_OF(cidrs); i++) {
		struct kube_cidr cidr;

		assert_int_equal(kube_cidr_parse(cidrs[i].cidr, &cidr, NULL), 0);
		assert_address(interval_cidr(&cidr).first, cidrs[i].first);
		assert_address(interval_cidr(&cidr).last, cidrs[i].last);
	}
}

/* Every subset of 0..9 as union and difference, against a bit set. */
static void test_agrees_with_bit_sets(void **state)
{
	for (unsigned a = 0; a < 1024; a++) {
		for (unsigned b = a % 7; b < 1024; b += 7) {
			_cleanup_(intervals_free) struct intervals x = {};
			_cleanup_(intervals_free) struct intervals y = {};
			_cleanup_(intervals_free) struct intervals rest = {};

			for (unsigned bit = 0; bit < 10; bit++) {
				if (a & 1u << bit)
					assert_int_equal(intervals_append(&x, (struct interval){ bit, bit }, NULL), 0);
				if (b & 1u << bit)
					assert_int_equal(intervals_append(&y, (struct interval){ bit, bit }, NULL), 0);
			}
			intervals_tidy(&x);
			intervals_tidy(&y);
			assert_int_equal(intervals_subtract(&x, &y, &rest, NULL), 0);
			for (unsigned bit = 0; bit < 10; bit++) {
				assert_int_equal(intervals_contain(&x, bit), !!(a & 1u << bit));
				assert_int_equal(intervals_contain(&rest, bit), !!(a & ~b & 1u << bit));
			}
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_union_is_sorted_disjoint_and_not_adjacent),
		cmocka_unit_test(test_difference_takes_away_just_the_holes),
		cmocka_unit_test(test_top_of_the_number_range_does_not_wrap),
		cmocka_unit_test(test_cidr_becomes_its_first_and_last_address),
		cmocka_unit_test(test_agrees_with_bit_sets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
