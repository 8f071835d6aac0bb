// SPDX-License-Identifier: Apache-2.0
/* Holdfast's entry in the lists that CNI's main plugins write (tests/golden/conflist: NAME, and NAME.expected with the entry). */
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>

#include "common/base/array.h"
#include "common/base/file.h"
#include "deploy/install/cni/conflist.h"

static void read_golden(const char *path, struct buf *out)
{
	struct error err = {};

	if (file_read(path, out, &err) < 0)
		fail_msg("%s", err.message);
}

static void expect_same(const char *what, const struct buf *got, const struct buf *expected)
{
	if (!slice_equals(buf_view(got), buf_view(expected)))
		fail_msg("%s: got\n%s\nexpected\n%s", what, buf_text(got), buf_text(expected));
}

static void expect_there_and_back(const char *path)
{
	_cleanup_(buf_free) struct buf before = BUF_MAX(CONFLIST_BYTES_MAX), expected = BUF_MAX(CONFLIST_BYTES_MAX);
	_cleanup_(buf_free) struct buf with = BUF_MAX(CONFLIST_BYTES_MAX), without = BUF_MAX(CONFLIST_BYTES_MAX);
	struct error err = {};
	char expected_path[512];

	snprintf(expected_path, sizeof(expected_path), "%s.expected", path);
	read_golden(path, &before);
	read_golden(expected_path, &expected);
	assert_false(conflist_has_entry(buf_view(&before)));
	if (conflist_add(buf_view(&before), &with, &err) != 1)
		fail_msg("%s: %s", path, err.message);
	expect_same(path, &with, &expected);
	assert_true(conflist_has_entry(buf_view(&with)));
	assert_int_equal(conflist_add(buf_view(&with), &without, &err), 0);
	assert_int_equal(without.n, 0);
	assert_int_equal(conflist_remove(buf_view(&with), &without, &err), 1);
	expect_same(path, &without, &before);
}

static void test_the_entry_comes_last_and_goes_without_another_byte_changed(void **state)
{
	glob_t lists;

	assert_int_equal(glob(TEST_DATA "/golden/conflist/*.conflist", 0, NULL, &lists), 0);
	assert_true(lists.gl_pathc >= 7);
	for (size_t i = 0; i < lists.gl_pathc; i++)
		expect_there_and_back(lists.gl_pathv[i]);
	globfree(&lists);
}

static void test_it_is_taken_out_wherever_it_stands(void **state)
{
	static const struct {
		const char *with, *without;
	} cases[] = {
		{ "{\"plugins\":[ {\"type\":\"holdfast\"}, {\"type\":\"a\"} ]}", "{\"plugins\":[ {\"type\":\"a\"} ]}" },
		{ "{\"plugins\":[{\"type\":\"a\"} , {\"x\":1,\"type\":\"holdfast\"} , {\"type\":\"b\"}]}",
		  "{\"plugins\":[{\"type\":\"a\"} , {\"type\":\"b\"}]}" },
		{ "{\"plugins\":[{\"type\":\"holdfast\"},{\"type\":\"holdfast\"},{\"type\":\"a\"}]}", "{\"plugins\":[{\"type\":\"a\"}]}" },
		{ "{\"plugins\":[{\"type\":\"a\"},{\"type\":\"holdfast\"},{\"type\":\"holdfast\"}]}", "{\"plugins\":[{\"type\":\"a\"}]}" },
		{ "{\"plugins\":[ {\"type\":\"holdfast\"} ]}", "{\"plugins\":[  ]}" },
	};

	for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
		_cleanup_(buf_free) struct buf out = BUF_MAX(CONFLIST_BYTES_MAX);
		struct error err = {};

		assert_int_equal(conflist_remove(slice_string(cases[i].with), &out, &err), 1);
		assert_string_equal(buf_text(&out), cases[i].without);
	}
}

static void test_what_has_no_entry_is_left_alone(void **state)
{
	static const char *const texts[] = { "{}", "[]", "{\"plugins\":{}}", "{\"plugins\":[]}", "{\"plugins\":[{\"type\":\"holdfast-x\"}]}",
					     "{\"plugins\":[\"holdfast\"]}", "{\"type\":\"holdfast\"}" };
	_cleanup_(buf_free) struct buf out = BUF_MAX(CONFLIST_BYTES_MAX);
	struct error err = {};

	for (size_t i = 0; i < ELEMENTS_OF(texts); i++) {
		assert_int_equal(conflist_remove(slice_string(texts[i]), &out, &err), 0);
		assert_int_equal(out.n, 0);
	}
	assert_int_equal(conflist_remove(slice_string("{\"plugins\":["), &out, &err), -EINVAL);
}

static void test_what_cannot_be_chained_to_is_refused_and_says_why(void **state)
{
	static const struct {
		const char *text;
		int code;
		const char *says;
	} cases[] = {
		{ "{\"plugins\": [", EINVAL, "line 1, column 14" },
		{ "", EINVAL, "line 1" },
		{ "{\"cniVersion\":\"1.0.0\",\"type\":\"bridge\"}", EINVAL, "no list" },
		{ "{\"cniVersion\":\"1.0.0\",\"plugins\":{}}", EINVAL, "no list" },
		{ "{\"cniVersion\":\"1.0.0\",\"plugins\":[ ]}", EINVAL, "empty" },
		{ "{\"plugins\":[{\"type\":\"a\"}]}", ENOTSUP, "cniVersion is missing" },
		{ "{\"cniVersion\":\"0.2.0\",\"plugins\":[{\"type\":\"a\"}]}", ENOTSUP, "\"0.2.0\"" },
		{ "{\"cniVersion\":1,\"plugins\":[{\"type\":\"a\"}]}", ENOTSUP, "cniVersion 1 " },
		{ "{\"a\":1,\"a\":2,\"cniVersion\":\"1.0.0\",\"plugins\":[{\"type\":\"a\"}]}", EINVAL, "\"a\"" },
	};
	_cleanup_(buf_free) struct buf out = BUF_MAX(CONFLIST_BYTES_MAX);

	for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
		struct error err = {};

		assert_int_equal(conflist_add(slice_string(cases[i].text), &out, &err), -cases[i].code);
		if (!strstr(err.message, cases[i].says))
			fail_msg("\"%s\" does not say \"%s\"", err.message, cases[i].says);
		assert_int_equal(out.n, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_entry_comes_last_and_goes_without_another_byte_changed),
		cmocka_unit_test(test_it_is_taken_out_wherever_it_stands),
		cmocka_unit_test(test_what_has_no_entry_is_left_alone),
		cmocka_unit_test(test_what_cannot_be_chained_to_is_refused_and_says_why),
	};

	return cmocka_run_group_tests_name("conflist", tests, NULL, NULL);
}
