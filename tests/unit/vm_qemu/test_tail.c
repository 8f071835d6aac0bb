// SPDX-License-Identifier: Apache-2.0
/* The last that was said, and nothing in it that could steer a terminal. */
#include "tests/unit/common/cmocka_all.h"

#include <stdio.h>
#include <string.h>

#include "common/base/array.h"
#include "kata-shim/vm/qemu/tail.h"

static void say(struct tail *tail, const char *text)
{
	tail_feed(tail, slice_string(text));
}

static void test_lines_come_back_last_first(void **state)
{
	struct tail tail = {};

	assert_null(tail_line(&tail, 0));
	say(&tail, "one\r\n\n   \n  two");
	assert_string_equal(tail_line(&tail, 0), "two");
	assert_string_equal(tail_line(&tail, 1), "one");
	assert_null(tail_line(&tail, 2));
	say(&tail, " and a half\nthree\n");
	assert_string_equal(tail_line(&tail, 0), "three");
	assert_string_equal(tail_line(&tail, 1), "two and a half");
}

static void test_old_lines_are_forgotten_and_long_ones_cut(void **state)
{
	struct tail tail = {};
	char line[64];

	for (unsigned i = 0; i < 1000; i++) {
		snprintf(line, sizeof(line), "line %u\n", i);
		say(&tail, line);
	}
	assert_string_equal(tail_line(&tail, 0), "line 999");
	snprintf(line, sizeof(line), "line %u", 1000 - TAIL_LINES);
	assert_string_equal(tail_line(&tail, TAIL_LINES - 1), line);
	assert_null(tail_line(&tail, TAIL_LINES));
	for (unsigned i = 0; i < 10000; i++)
		say(&tail, "x");
	assert_int_equal(strlen(tail_line(&tail, 0)), TAIL_LINE_MAX);
	assert_string_equal(tail_line(&tail, 1), "line 999");
}

static void test_nothing_steers_a_terminal(void **state)
{
	static const struct {
		const char *said, *kept;
	} cases[] = {
		{ "\033[31mred\033[0m", "red" },
		{ "\033]0;title\007text", "text" },
		{ "\033]0;title\033\\text", "text" },
		{ "\033Pdevice\033\\text", "text" },
		{ "\033(Btext", "text" },
		{ "\033ctext", "text" },
		{ "te\033[1;2;3;4Hxt", "text" },
		{ "\033[\033[31mtext", "text" },
		{ "\033[31\030text", "text" },
		{ "te\b\a\x7f\001xt", "text" },
		{ "te\txt", "te xt" },
		{ "\x9b"
		  "31mtext",
		  "?31mtext" },
		{ "gr\xc3\xbc\xc3\x9f", "gr????" },
		{ "hidden\033]for ever\ntext", "text" },
	};

	for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
		struct tail whole = {}, pieces = {};
		say(&whole, cases[i].said);
		for (const char *c = cases[i].said; *c; c++)
			tail_feed(&pieces, slice_from(c, 1));
		assert_string_equal(tail_line(&whole, 0), cases[i].kept);
		assert_string_equal(tail_line(&pieces, 0), cases[i].kept);
	}
}

static void test_a_line_with_the_text_asked_for_is_kept_whatever_follows(void **state)
{
	struct tail tail = { .keep = "panic: " }, none = {};

	assert_null(tail_kept(&tail));
	say(&tail, "[1.0] panic: one\n[1.1] panic: two\n");
	for (unsigned i = 0; i < 1000; i++)
		say(&tail, "trace\n");
	assert_string_equal(tail_kept(&tail), "panic: two");
	say(&none, "panic: one\n");
	assert_null(tail_kept(&none));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines_come_back_last_first),
		cmocka_unit_test(test_old_lines_are_forgotten_and_long_ones_cut),
		cmocka_unit_test(test_nothing_steers_a_terminal),
		cmocka_unit_test(test_a_line_with_the_text_asked_for_is_kept_whatever_follows),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
