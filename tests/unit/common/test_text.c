// SPDX-License-Identifier: Apache-2.0
/* The small readers of text in common/base: numbers, slices, UTF-8, printable copies, nearest names, secrets. */
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/array.h"
#include "common/base/nearest.h"
#include "common/base/number.h"
#include "common/base/secret.h"
#include "common/base/show.h"
#include "common/base/utf8.h"
#include "common/base/when.h"

static void test_reads_decimal_numbers_within_their_range(void **state)
{
	uint64_t value;
	uint16_t port;

	assert_int_equal(number_parse_u64(slice_string("0"), 0, UINT64_MAX, &value, NULL), 0);
	assert_int_equal(value, 0);
	assert_int_equal(number_parse_u64(slice_string("18446744073709551615"), 0, UINT64_MAX, &value, NULL), 0);
	assert_true(value == UINT64_MAX);
	assert_int_equal(number_parse_u16(slice_string("65535"), 1, UINT16_MAX, &port, NULL), 0);
	assert_int_equal(port, 65535);
}

static void test_refuses_what_is_no_plain_decimal_number(void **state)
{
	static const char *const cases[] = { "", " 1", "1 ", "+1", "-1", "01", "00", "0x1", "1.0", "1e3", "1,0", "one", "\xd9\xa1" };

	for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
		uint64_t value = 42;
		struct error err = {};
		assert_int_equal(number_parse_u64(slice_string(cases[i]), 0, UINT64_MAX, &value, &err), -EINVAL);
		assert_int_equal(value, 42);
		assert_non_null(strstr(err.message, "is not a decimal number"));
	}
}

static void test_a_number_outside_of_its_range_says_both(void **state)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{ "0", "0 is below 1" },
		{ "70000", "70000 is above 65535" },
		{ "18446744073709551616", "number of 20 digits is above 65535" },
	};

	for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
		struct error err = {};
		uint16_t value = 7;
		assert_int_equal(number_parse_u16(slice_string(cases[i].text), 1, UINT16_MAX, &value, &err), -ERANGE);
		assert_string_equal(err.message, cases[i].message);
		assert_int_equal(value, 7);
	}
}

static void test_slices_compare_by_content(void **state)
{
	struct slice rest = {};

	assert_true(slice_equals(slice_from(NULL, 0), slice_string("")));
	assert_true(slice_equals_string(slice_from("abc", 2), "ab"));
	assert_false(slice_equals_string(slice_string("abc"), "abd"));
	assert_true(slice_skip_prefix(slice_string("name=x"), "name=", &rest));
	assert_true(slice_equals_string(rest, "x"));
	assert_false(slice_skip_prefix(slice_string("na"), "name=", &rest));
	assert_int_equal(slice_string(NULL).n, 0);
}

static void test_knows_well_formed_utf8(void **state)
{
	static const struct {
		const char *text;
		size_t length;
	} cases[] = {
		{ "a", 1 },
		{ "\xc2\x80", 2 },
		{ "\xdf\xbf", 2 },
		{ "\xe0\xa0\x80", 3 },
		{ "\xed\x9f\xbf", 3 },
		{ "\xee\x80\x80", 3 },
		{ "\xf0\x90\x80\x80", 4 },
		{ "\xf4\x8f\xbf\xbf", 4 },
		{ "\x80", 0 },
		{ "\xc0\x80", 0 },
		{ "\xc1\xbf", 0 },
		{ "\xc2", 0 },
		{ "\xc2\x41", 0 },
		{ "\xe0\x9f\xbf", 0 },
		{ "\xed\xa0\x80", 0 },
		{ "\xef\xbf", 0 },
		{ "\xf0\x8f\xbf\xbf", 0 },
		{ "\xf4\x90\x80\x80", 0 },
		{ "\xf5\x80\x80\x80", 0 },
		{ "\xf0\x90\x80\x41", 0 },
		{ "", 0 },
	};

	for (size_t i = 0; i < ELEMENTS_OF(cases); i++)
		assert_int_equal(utf8_length((const uint8_t *)cases[i].text, strlen(cases[i].text)), cases[i].length);
}

static void test_encodes_every_code_point_well_formed(void **state)
{
	for (uint32_t point = 0; point <= 0x10ffff; point++) {
		uint8_t bytes[4];
		if (point >= 0xd800 && point <= 0xdfff)
			continue;
		size_t n = utf8_encode(point, bytes);
		assert_int_equal(utf8_length(bytes, n), n);
	}
}

static void test_shown_text_cannot_steer_a_terminal(void **state)
{
	assert_string_equal(SHOW(slice_string("plain caf\xc3\xa9")), "plain caf\xc3\xa9");
	assert_string_equal(SHOW(slice_string("\x1b[31mred\n")), "?[31mred?");
	assert_string_equal(SHOW(slice_string("\xc2\x9b"
					      "31m")),
			    "?31m");
	assert_string_equal(SHOW(slice_from("a\0b", 3)), "a?b");
	assert_string_equal(SHOW(slice_string("\xff\xc3")), "??");
	assert_string_equal(SHOW(slice_from(NULL, 0)), "");
}

static void test_shown_text_is_cut_between_characters(void **state)
{
	char text[200] = {};

	memset(text, 'x', SHOW_MAX);
	assert_int_equal(strlen(SHOW(slice_string(text))), SHOW_MAX);
	memcpy(text + SHOW_MAX - 1, "\xc3\xa9", 2);
	struct show shown = show_text(slice_string(text));
	assert_int_equal(strlen(shown.text), SHOW_MAX - 1 + 3);
	assert_string_equal(shown.text + SHOW_MAX - 1, "...");
}

static void test_finds_the_name_that_was_meant(void **state)
{
	static const char *const known[] = { "podSelector", "policyTypes", "ingress", "egress", "port", NULL };
	static const struct {
		const char *written, *meant;
	} cases[] = {
		{ "podselector", "podSelector" },
		{ "podSelectors", "podSelector" },
		{ "polciyTypes", "policyTypes" },
		{ "ingres", "ingress" },
		{ "prot", "port" },
		{ "egres", "egress" },
		{ "zebra", NULL },
		{ "", NULL },
		{ "p", NULL },
	};

	for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
		const char *nearest = name_nearest(cases[i].written, known);
		if (cases[i].meant)
			assert_string_equal(nearest, cases[i].meant);
		else
			assert_null(nearest);
	}
}

static void test_names_of_any_length_are_measured_safely(void **state)
{
	char longest[64] = {}, too_long[65] = {};

	memset(longest, 'a', 63);
	memset(too_long, 'a', 64);
	assert_int_equal(name_distance(longest, ""), 63);
	assert_int_equal(name_distance(longest, longest), 0);
	assert_true(name_distance(too_long, longest) == SIZE_MAX);
	assert_int_equal(name_distance("ab", "ba"), 1);
	assert_int_equal(name_distance("kitten", "sitting"), 3);
}

static void test_secrets_compare_by_all_their_bytes(void **state)
{
	assert_true(secret_equals("abc", "abc", 3));
	assert_false(secret_equals("abc", "abd", 3));
	assert_false(secret_equals("abc", "xbc", 3));
	assert_true(secret_equals("abc", "xyz", 0));
}

static void test_wiped_bytes_are_zero(void **state)
{
	char key[] = "secret";

	secret_wipe(key, sizeof(key));
	for (size_t i = 0; i < sizeof(key); i++)
		assert_int_equal(key[i], 0);
	secret_wipe(NULL, 0);
}

static void test_a_freed_secret_is_empty_and_can_be_freed_again(void **state)
{
	struct secret secret = { .p = malloc(8), .n = 8 };

	assert_non_null(secret.p);
	secret_free(&secret);
	assert_null(secret.p);
	assert_int_equal(secret.n, 0);
	secret_free(&secret);
}

static void test_durations_are_short_and_times_are_utc(void **state)
{
	static const struct {
		uint64_t seconds;
		const char *text;
	} cases[] = {
		{ 0, "0 s ago" },    { 119, "119 s ago" },   { 120, "2 min ago" },  { 7199, "119 min ago" },
		{ 7200, "2 h ago" }, { 172799, "47 h ago" }, { 172800, "2 d ago" },
	};
	_cleanup_(buf_free) struct buf out = BUF_MAX(64);
	char utc[WHEN_UTC_MAX];

	for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
		buf_clear(&out);
		when_print_ago(&out, cases[i].seconds);
		assert_string_equal(buf_text(&out), cases[i].text);
	}
	when_format_utc(1764078319, utc);
	assert_string_equal(utc, "2025-11-25T13:45:19Z");
	when_format_utc(INT64_MAX, utc);
	assert_string_equal(utc, "an unknown time");
	assert_true(when_seconds_since(0) > 1764078319);
	assert_int_equal(when_seconds_since(INT64_MAX), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads_decimal_numbers_within_their_range),
		cmocka_unit_test(test_refuses_what_is_no_plain_decimal_number),
		cmocka_unit_test(test_a_number_outside_of_its_range_says_both),
		cmocka_unit_test(test_slices_compare_by_content),
		cmocka_unit_test(test_knows_well_formed_utf8),
		cmocka_unit_test(test_encodes_every_code_point_well_formed),
		cmocka_unit_test(test_shown_text_cannot_steer_a_terminal),
		cmocka_unit_test(test_shown_text_is_cut_between_characters),
		cmocka_unit_test(test_finds_the_name_that_was_meant),
		cmocka_unit_test(test_durations_are_short_and_times_are_utc),
		cmocka_unit_test(test_names_of_any_length_are_measured_safely),
		cmocka_unit_test(test_secrets_compare_by_all_their_bytes),
		cmocka_unit_test(test_wiped_bytes_are_zero),
		cmocka_unit_test(test_a_freed_secret_is_empty_and_can_be_freed_again),
	};

	return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
