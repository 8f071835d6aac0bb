// SPDX-License-Identifier: Apache-2.0
/* Limits of json_check, and json_raw_member. What is JSON and what is not stands in tests/golden/json. */
#include "tests/unit/common/cmocka_all.h"
#include "tests/unit/common/repeat.h"

#include <errno.h>
#include <stdlib.h>

#include "common/base/array.h"
#include "common/base/buf.h"
#include "common/json/json_text.h"

static int check(const char *text, struct json_limits limits, struct error *err)
{
	return json_check(slice_string(text), &limits, err);
}

static void test_each_limit_is_exact_and_named(void **state)
{
	struct error err = {};

	assert_int_equal(check("[1,2]", (struct json_limits){ .bytes = 5, .depth = 1, .values = 3 }, &err), 0);
	assert_int_equal(check("[1,2]", (struct json_limits){ .bytes = 4, .depth = 1, .values = 3 }, &err), -E2BIG);
	assert_string_equal(err.message, "5 bytes of JSON are above the limit of 4");
	assert_int_equal(check("[1,2]", (struct json_limits){ .bytes = 5, .depth = 0, .values = 3 }, &err), -E2BIG);
	assert_string_equal(err.message, "line 1, column 1: nested deeper than the limit of 0");
	assert_int_equal(check("[1,2]", (struct json_limits){ .bytes = 5, .depth = 1, .values = 2 }, &err), -E2BIG);
	assert_string_equal(err.message, "line 1, column 4: more values than the limit of 2");
}

static void test_ten_megabytes_of_nesting_are_refused_at_the_limit(void **state)
{
	static const char *const openings[] = { "[", "{\"a\":", "[{\"a\":" };
	const struct json_limits generous = { .bytes = SIZE_MAX, .depth = SIZE_MAX, .values = SIZE_MAX };

	for (size_t i = 0; i < ELEMENTS_OF(openings); i++) {
		_cleanup_(buf_free) struct buf text = BUF_MAX(32 << 20);
		struct error err = {};
		repeat(&text, openings[i]);
		assert_int_equal(json_check(buf_view(&text), &json_limits_object, &err), -E2BIG);
		assert_int_equal(json_check(buf_view(&text), &generous, &err), -E2BIG);
		assert_non_null(strstr(err.message, "nested deeper than the limit of 256"));
	}
}

static void test_a_text_needs_no_nul_and_is_not_read_beyond_its_end(void **state)
{
	static const char *const texts[] = { "{\"a\":[1,\"x\\u00e9\",true,null,-1.5e3]}", "\"caf\xc3\xa9\"" };

	for (size_t i = 0; i < ELEMENTS_OF(texts); i++) {
		size_t whole = strlen(texts[i]);
		for (size_t n = 0; n < whole; n++) {
			_cleanup_free_ char *exact = malloc(n ? n : 1); /* the sanitizer sees the end */
			assert_non_null(exact);
			memcpy(exact, texts[i], n);
			assert_int_equal(json_check(slice_from(exact, n), &json_limits_object, NULL), -EINVAL);
		}
		assert_int_equal(json_check(slice_from(texts[i], whole), &json_limits_object, NULL), 0);
	}
}

static void test_a_null_slice_is_an_empty_text(void **state)
{
	struct slice value;

	assert_int_equal(json_check(slice_from(NULL, 0), &json_limits_object, NULL), -EINVAL);
	assert_false(json_raw_member(slice_from(NULL, 0), "a", &value));
}

static void test_duplicates_are_found_among_very_many_keys(void **state)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(4 << 20);
	struct error err = {};

	for (int i = 0; i < 99000; i++)
		buf_printf(&text, "%c\"key-%d\":0", i ? ',' : '{', i);
	size_t unique = text.n;
	buf_byte(&text, '}');
	assert_int_equal(json_check(buf_view(&text), &json_limits_object, &err), 0);
	text.n = unique;
	buf_string(&text, ",\"key-51234\":0}");
	assert_int_equal(json_check(buf_view(&text), &json_limits_object, &err), -EINVAL);
	assert_non_null(strstr(err.message, "duplicate key \"key-51234\""));
}

static void test_the_last_of_a_duplicate_pair_is_pointed_at(void **state)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(10000);
	struct error err = {};

	for (int i = 0; i < 100; i++)
		buf_printf(&text, "%c\n\"k%d\":0", i ? ',' : '{', i % 99);
	buf_byte(&text, '}');
	assert_int_equal(json_check(buf_view(&text), &json_limits_object, &err), -EINVAL);
	assert_string_equal(err.message, "line 101, column 1: duplicate key \"k0\"");
}

static void test_raw_members_are_the_text_as_it_stands(void **state)
{
	static const struct {
		const char *name, *text, *key, *value;
	} cases[] = {
		{ "first", "{\"a\":1,\"b\":2}", "a", "1" },
		{ "last", "{\"a\":1,\"b\":2}", "b", "2" },
		{ "object with its spaces", " { \"a\" : { \"b\" : [ 1 ] } } ", "a", "{ \"b\" : [ 1 ] }" },
		{ "array", "{\"a\":[[],{}],\"b\":0}", "a", "[[],{}]" },
		{ "string with brackets", "{\"x\":\"}]\\\"\",\"a\":\"{[\\\\\"}", "a", "\"{[\\\\\"" },
		{ "literal before a space", "{\"a\":null }", "a", "null" },
		{ "number before the end", "{\"a\":-1.5e3}", "a", "-1.5e3" },
		{ "only the top level counts", "{\"x\":{\"a\":1},\"a\":2}", "a", "2" },
		{ "escaped key", "{\"prev\\u0052esult\":3}", "prevResult", "3" },
		{ "escaped pair", "{\"\\ud83d\\ude00\":4}", "\xf0\x9f\x98\x80", "4" },
		{ "short escapes", "{\"\\/\\\\\\\"\\n\\t\\r\\b\\f\":5}", "/\\\"\n\t\r\b\f", "5" },
		{ "empty key", "{\"\":6}", "", "6" },
		{ "absent", "{\"a\":1}", "b", NULL },
		{ "longer key", "{\"ab\":1}", "a", NULL },
		{ "shorter key", "{\"a\":1}", "ab", NULL },
		{ "empty object", "{}", "a", NULL },
		{ "array at the top", "[\"a\"]", "a", NULL },
		{ "string at the top", "\"a\"", "a", NULL },
	};

	for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
		struct slice value = slice_string("untouched");
		struct slice text = slice_string(cases[i].text);
		assert_int_equal(json_check(text, &json_limits_object, NULL), 0);
		bool found = json_raw_member(text, cases[i].key, &value);
		const char *expected = cases[i].value ? cases[i].value : "untouched";
		if (found != (cases[i].value != NULL) || !slice_equals_string(value, expected))
			fail_msg("%s: " SLICE_FORMAT, cases[i].name, SLICE_ARGS(value));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_limit_is_exact_and_named),
		cmocka_unit_test(test_ten_megabytes_of_nesting_are_refused_at_the_limit),
		cmocka_unit_test(test_a_text_needs_no_nul_and_is_not_read_beyond_its_end),
		cmocka_unit_test(test_a_null_slice_is_an_empty_text),
		cmocka_unit_test(test_duplicates_are_found_among_very_many_keys),
		cmocka_unit_test(test_the_last_of_a_duplicate_pair_is_pointed_at),
		cmocka_unit_test(test_raw_members_are_the_text_as_it_stands),
	};

	return cmocka_run_group_tests_name("json_text", tests, NULL, NULL);
}
