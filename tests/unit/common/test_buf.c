// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>
#include <string.h>

#include "common/base/array.h"
#include "common/base/buf.h"

static void test_holds_what_was_appended_in_order(void **state)
{
	_cleanup_(buf_free) struct buf buf = BUF_MAX(1000);

	buf_string(&buf, "a");
	buf_byte(&buf, 'b');
	buf_slice(&buf, slice_string("cd"));
	buf_append(&buf, "ef", 2);
	buf_printf(&buf, "%d-%s", 7, "g");
	assert_string_equal(buf_text(&buf), "abcdef7-g");
	assert_int_equal(buf.n, 9);
}

static void test_an_untouched_buffer_is_the_empty_text(void **state)
{
	struct buf buf = BUF_MAX(10);

	assert_string_equal(buf_text(&buf), "");
	assert_int_equal(buf_view(&buf).n, 0);
}

static void test_content_ends_in_nul_after_every_step(void **state)
{
	_cleanup_(buf_free) struct buf buf = BUF_MAX(100000);

	assert_non_null(buf_reserve(&buf, 50));
	assert_int_equal(buf.p[buf.n], 0);
	for (int i = 0; i < 5000; i++) {
		buf_byte(&buf, 'x');
		assert_int_equal(buf.p[buf.n], 0);
	}
	buf_consume(&buf, 10);
	assert_int_equal(buf.p[buf.n], 0);
	buf_clear(&buf);
	assert_int_equal(buf.p[buf.n], 0);
}

static void test_takes_its_maximum_and_not_a_byte_more(void **state)
{
	_cleanup_(buf_free) struct buf buf = BUF_MAX(300);
	struct error err = {};

	for (int i = 0; i < 300; i++)
		buf_byte(&buf, 'x');
	assert_int_equal(buf_check(&buf, "text", &err), 0);
	buf_byte(&buf, 'y');
	assert_int_equal(buf_check(&buf, "text", &err), -ENOBUFS);
	assert_string_equal(err.message, "text is larger than the limit of 300 bytes");
	assert_int_equal(buf.n, 300);
}

static void test_after_a_failure_nothing_more_is_added(void **state)
{
	_cleanup_(buf_free) struct buf buf = BUF_MAX(4);

	buf_string(&buf, "abc");
	buf_string(&buf, "too long");
	buf_byte(&buf, 'd');
	buf_printf(&buf, "e");
	assert_string_equal(buf_text(&buf), "abc");
	assert_null(buf_reserve(&buf, 0));
	assert_null(buf_take_text(&buf));
}

static void test_clear_forgets_the_failure(void **state)
{
	_cleanup_(buf_free) struct buf buf = BUF_MAX(4);
	struct error err;

	buf_string(&buf, "too long");
	buf_clear(&buf);
	buf_string(&buf, "fits");
	assert_int_equal(buf_check(&buf, "text", &err), 0);
	assert_string_equal(buf_text(&buf), "fits");
}

static void test_never_allocates_far_beyond_its_maximum(void **state)
{
	_cleanup_(buf_free) struct buf buf = BUF_MAX(1000);

	for (int i = 0; i < 1000; i++)
		buf_byte(&buf, 'x');
	assert_true(buf.capacity <= 1001);
}

static void test_huge_sizes_are_refused_without_wrapping(void **state)
{
	_cleanup_(buf_free) struct buf buf = BUF_MAX(SIZE_MAX);

	buf_byte(&buf, 'x');
	assert_null(buf_reserve(&buf, SIZE_MAX - 1));
	assert_int_equal(buf.failed, ENOBUFS);
	buf_clear(&buf);
	assert_null(buf_reserve(&buf, SIZE_MAX));
	assert_int_equal(buf.n, 0);
}

static void test_consume_removes_from_the_front_and_at_most_everything(void **state)
{
	_cleanup_(buf_free) struct buf buf = BUF_MAX(100);

	buf_consume(&buf, 5);
	buf_string(&buf, "abcdef");
	buf_consume(&buf, 2);
	assert_string_equal(buf_text(&buf), "cdef");
	buf_consume(&buf, 100);
	assert_string_equal(buf_text(&buf), "");
}

static void test_taken_text_is_the_callers_and_the_buffer_starts_anew(void **state)
{
	_cleanup_(buf_free) struct buf buf = BUF_MAX(100);

	buf_string(&buf, "mine");
	_cleanup_free_ char *text = buf_take_text(&buf);
	_cleanup_free_ char *empty = buf_take_text(&buf);
	assert_string_equal(text, "mine");
	assert_string_equal(empty, "");
	assert_null(buf.p);
	assert_int_equal(buf.maximum, 100);
}

static void test_json_strings_are_valid_json_whatever_goes_in(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "", "\"\"" },
		{ "a\"b\\c", "\"a\\\"b\\\\c\"" },
		{ "\n\t\r\x01\x7f", "\"\\n\\t\\u000d\\u0001\\u007f\"" },
		{ "caf\xc3\xa9 \xf0\x9f\x98\x80", "\"caf\xc3\xa9 \xf0\x9f\x98\x80\"" },
		{ "x\xff\xc3", "\"x\xef\xbf\xbd\xef\xbf\xbd\"" },
	};

	for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
		_cleanup_(buf_free) struct buf buf = BUF_MAX(100);
		buf_json_string(&buf, slice_string(cases[i].in));
		assert_string_equal(buf_text(&buf), cases[i].out);
	}
}

static void test_members_of_json_objects_are_separated_by_commas(void **state)
{
	_cleanup_(buf_free) struct buf buf = BUF_MAX(256);

	buf_byte(&buf, '{');
	buf_json_member(&buf, "a \"key\"", "x\ny");
	buf_json_number(&buf, "n", UINT64_MAX);
	buf_json_key(&buf, "inner");
	buf_byte(&buf, '{');
	buf_json_bool(&buf, "yes", true);
	buf_json_bool(&buf, "no", false);
	buf_json_key(&buf, "list");
	buf_byte(&buf, '[');
	for (int i = 0; i < 2; i++) {
		buf_json_element(&buf, '{');
		buf_json_number(&buf, "i", (uint64_t)i);
		buf_byte(&buf, '}');
	}
	buf_string(&buf, "]}}");
	assert_string_equal(buf_text(&buf),
			    "{\"a \\\"key\\\"\":\"x\\ny\",\"n\":18446744073709551615,\"inner\":{\"yes\":true,\"no\":false,\"list\":[{\"i\":0},{\"i\":1}]}}");
}

static void test_an_array_grows_and_keeps_its_elements(void **state)
{
	_cleanup_free_ int *items = NULL;
	size_t capacity = 0;

	for (size_t n = 0; n < 1000; n++) {
		assert_true(array_room((void **)&items, n, &capacity, sizeof(*items)));
		items[n] = (int)n;
	}
	for (int i = 0; i < 1000; i++)
		assert_int_equal(items[i], i);
}

static void test_an_array_that_cannot_grow_stays_as_it_was(void **state)
{
	int item = 7;
	void *items = &item;
	size_t capacity = SIZE_MAX / 2;

	assert_false(array_room(&items, capacity, &capacity, 16));
	assert_ptr_equal(items, &item);
	assert_int_equal(capacity, SIZE_MAX / 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_holds_what_was_appended_in_order),
		cmocka_unit_test(test_an_untouched_buffer_is_the_empty_text),
		cmocka_unit_test(test_content_ends_in_nul_after_every_step),
		cmocka_unit_test(test_takes_its_maximum_and_not_a_byte_more),
		cmocka_unit_test(test_after_a_failure_nothing_more_is_added),
		cmocka_unit_test(test_clear_forgets_the_failure),
		cmocka_unit_test(test_never_allocates_far_beyond_its_maximum),
		cmocka_unit_test(test_huge_sizes_are_refused_without_wrapping),
		cmocka_unit_test(test_consume_removes_from_the_front_and_at_most_everything),
		cmocka_unit_test(test_taken_text_is_the_callers_and_the_buffer_starts_anew),
		cmocka_unit_test(test_json_strings_are_valid_json_whatever_goes_in),
		cmocka_unit_test(test_members_of_json_objects_are_separated_by_commas),
		cmocka_unit_test(test_an_array_grows_and_keeps_its_elements),
		cmocka_unit_test(test_an_array_that_cannot_grow_stays_as_it_was),
	};

	return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
