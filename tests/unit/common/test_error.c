// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/utf8.h"

static void test_set_returns_the_negative_code_and_keeps_the_message(void **state)
{
	struct error err = {};

	assert_int_equal(error_set(&err, EINVAL, "port %d is above %d", 70000, 65535), -EINVAL);
	assert_int_equal(err.code, EINVAL);
	assert_string_equal(err.message, "port 70000 is above 65535");
}

static void test_every_function_works_without_an_error_object(void **state)
{
	assert_int_equal(error_set(NULL, ENOENT, "x"), -ENOENT);
	assert_int_equal(error_errno(NULL, EACCES, "x"), -EACCES);
	assert_int_equal(error_wrap(NULL, "x"), -EIO);
	assert_int_equal(error_nomem(NULL), -ENOMEM);
}

static void test_errno_text_stands_behind_the_message(void **state)
{
	struct error err = {};

	assert_int_equal(error_errno(&err, ENOENT, "cannot open %s", "/x"), -ENOENT);
	assert_string_equal(err.message, "cannot open /x: No such file or directory");
}

static void test_wrap_puts_each_noun_in_front_and_keeps_the_code(void **state)
{
	struct error err = {};

	error_set(&err, ERANGE, "70000 is above 65535");
	assert_int_equal(error_wrap(&err, "port"), -ERANGE);
	assert_int_equal(error_wrap(&err, "policy %s/%s", "shop", "web"), -ERANGE);
	assert_string_equal(err.message, "policy shop/web: port: 70000 is above 65535");
}

static void test_a_message_that_is_too_long_is_cut_and_says_so(void **state)
{
	char text[2 * ERROR_MESSAGE_MAX] = {};
	struct error err = {};

	memset(text, 'x', sizeof(text) - 1);
	error_set(&err, EINVAL, "%s", text);
	assert_int_equal(strlen(err.message), ERROR_MESSAGE_MAX - 1);
	assert_string_equal(err.message + ERROR_MESSAGE_MAX - 4, "...");
	assert_int_equal(error_wrap(&err, "again"), -EINVAL);
	assert_int_equal(strlen(err.message), ERROR_MESSAGE_MAX - 1);
}

static void test_a_message_of_exactly_the_room_is_not_cut(void **state)
{
	char text[ERROR_MESSAGE_MAX] = {};
	struct error err = {};

	memset(text, 'x', sizeof(text) - 1);
	error_set(&err, EINVAL, "%s", text);
	assert_string_equal(err.message, text);
}

static void test_a_cut_message_ends_between_characters(void **state)
{
	for (size_t shift = 0; shift < 4; shift++) {
		struct error err = {};
		char text[2 * ERROR_MESSAGE_MAX] = {};
		size_t n = shift;
		memset(text, 'x', shift);
		for (; n + 4 < sizeof(text); n += 4)
			memcpy(text + n, "\xf0\x9f\x98\x80", 4);
		error_set(&err, EINVAL, "%s", text);
		const uint8_t *p = (const uint8_t *)err.message;
		size_t left = strlen(err.message);
		while (left > 0) {
			size_t length = utf8_length(p, left);
			assert_true(length > 0);
			p += length;
			left -= length;
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set_returns_the_negative_code_and_keeps_the_message),
		cmocka_unit_test(test_every_function_works_without_an_error_object),
		cmocka_unit_test(test_errno_text_stands_behind_the_message),
		cmocka_unit_test(test_wrap_puts_each_noun_in_front_and_keeps_the_code),
		cmocka_unit_test(test_a_message_that_is_too_long_is_cut_and_says_so),
		cmocka_unit_test(test_a_message_of_exactly_the_room_is_not_cut),
		cmocka_unit_test(test_a_cut_message_ends_between_characters),
	};

	return cmocka_run_group_tests_name("error", tests, NULL, NULL);
}
