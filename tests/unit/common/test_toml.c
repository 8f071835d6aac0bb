// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>

#include "common/base/array.h"
#include "common/json/json.h"
#include "common/json/toml.h"

struct row {
	const char *name, *toml, *result; /* as JSON, or the error */
};

static void check(const struct row *row)
{
	_cleanup_(json_freep) cJSON *tree = NULL;
	struct error err = {};

	int r = toml_parse(slice_string(row->toml), &toml_limits_config, &tree, &err);
	_cleanup_free_ char *text = r == 0 ? cJSON_PrintUnformatted(tree) : NULL;
	if (strcmp(text ? text : err.message, row->result) != 0)
		fail_msg("%s: %s\nexpected: %s", row->name, text ? text : err.message, row->result);
}

static void test_toml_means_what_its_specification_says(void **state)
{
	static const struct row rows[] = {
		{ "nothing", "", "{}" },
		{ "a comment alone", "# a", "{}" },
		{ "lines with carriage returns", "a = 1\r\nb = 2\r\n", "{\"a\":1,\"b\":2}" },
		{ "booleans", "a = true\nb=false # no\n", "{\"a\":true,\"b\":false}" },
		{ "numbers and dates as they stand", "a = +1_000\nb = 0xDEAD\nc = -1.5e3\nd = 1979-05-27 07:32:00.5Z\ne = -inf",
		  "{\"a\":+1_000,\"b\":0xDEAD,\"c\":-1.5e3,\"d\":1979-05-27 07:32:00.5Z,\"e\":-inf}" },
		{ "escapes", "a = \"\\t\\\"\\\\\\u00e9\\U0001F600\"", "{\"a\":\"\\t\\\"\\\\é😀\"}" },
		{ "literal strings", "a = 'C:\\x'", "{\"a\":\"C:\\\\x\"}" },
		{ "several lines", "a = \"\"\"\nx\ny\\\n   z\"\"\"\"\"", "{\"a\":\"x\\nyz\\\"\\\"\"}" },
		{ "several literal lines", "a = '''\nx\\\n'y'''", "{\"a\":\"x\\\\\\n'y\"}" },
		{ "arrays over lines", "a = [ 1, # one\n  [2], \"x\",\n]", "{\"a\":[1,[2],\"x\"]}" },
		{ "inline tables", "a = { b = 1, c.d = \"x\" }\ne = {}", "{\"a\":{\"b\":1,\"c\":{\"d\":\"x\"}},\"e\":{}}" },
		{ "keys with dots and quotes", "a.\"b.c\" . 'd' = 1\na.e = 2", "{\"a\":{\"b.c\":{\"d\":1},\"e\":2}}" },
		{ "headers", "[a.b]\nx = 1\n[a]\ny = 2\n[a.\"b.c\"]\n", "{\"a\":{\"b\":{\"x\":1},\"y\":2,\"b.c\":{}}}" },
		{ "arrays of tables", "[[a]]\nx = 1\n[a.b]\ny = 2\n[[a]]\nx = 3", "{\"a\":[{\"x\":1,\"b\":{\"y\":2}},{\"x\":3}]}" },
		{ "a header below a dotted key's table", "[a]\nb.c = 1\n[a.b.d]\ne = 2", "{\"a\":{\"b\":{\"c\":1,\"d\":{\"e\":2}}}}" },
		{ "a key twice", "a = 1\na = 2", "line 2: \"a\" is there already" },
		{ "a key twice, of a table", "a.b = 1\na = 2", "line 2: \"a\" is there already" },
		{ "a table twice", "[a]\n[b]\n[a]", "line 3: \"a\" is there already" },
		{ "a dotted key into a header's table", "[a.b]\n[a]\nb.c = 1", "line 3: \"b\" is there already" },
		{ "a header for a dotted key's table", "[a]\nb.c = 1\n[a.b]", "line 3: \"b\" is there already" },
		{ "a header into an inline table", "a = {}\n[a.b]", "line 2: \"a\" is there already" },
		{ "a header into an array", "a = []\n[[a]]", "line 2: \"a\" is there already" },
		{ "no value", "a =", "line 1: \"\" is no value; a string needs quotation marks" },
		{ "no quotation marks", "a = runc", "line 1: \"runc\" is no value; a string needs quotation marks" },
		{ "no equals sign", "a\n", "line 1: \"=\" is missing behind \"a\"" },
		{ "no key", "\n= 1", "line 2: a key is expected, not \"=\"" },
		{ "two values on a line", "a = 1 b = 2", "line 1: \"b\" stands behind what should end the line" },
		{ "a header not closed", "[a\n", "line 1: the header of \"a\" is not closed" },
		{ "an array not closed", "a = [1\n", "line 2: an array is not closed" },
		{ "an inline table over lines", "a = {\n}", "line 1: a key is expected, not \"?\"" },
		{ "a string not closed", "a = \"x\nb = 1", "line 1: a string on one line holds a control character or does not end" },
		{ "lines not closed", "\na = \"\"\"x\ny", "line 2: the string that begins here does not end" },
		{ "an unknown escape", "a = \"\\x\"", "line 1: \"\\x\" is no escape" },
		{ "an escape cut short", "a = \"\\u12\"", "line 1: an escape of 4 hexadecimal digits has fewer" },
		{ "an escaped NUL", "a = \"\\u0000\"", "line 1: U+0000 cannot stand in a string" },
		{ "an escaped surrogate", "a = \"\\ud800\"", "line 1: U+D800 cannot stand in a string" },
		{ "broken UTF-8", "\na = \"\xff\"", "line 2: a byte ff is no text" },
	};

	for (size_t i = 0; i < ELEMENTS_OF(rows); i++)
		check(&rows[i]);
}

static void test_what_is_printed_is_read_as_the_same(void **state)
{
	static const char text[] = "title = \"a\\\"\\\\\\u007f\\n\"\nn = 0x10\n\n[a.\"b.c\"]\nx = [1, [\"y\"], { z = true, \"q r\" = 2 }]\n"
				   "\n[a.\"b.c\".d]\n\n[a.e]\nf = 1979-05-27\n";
	static const char printed[] =
		"title = \"a\\\"\\\\\\u007f\\u000a\"\nn = 0x10\n\n[a.\"b.c\"]\nx = [1, [\"y\"], { z = true, \"q r\" = 2 }]\n"
		"\n[a.\"b.c\".d]\n\n[a.e]\nf = 1979-05-27\n";
	_cleanup_(json_freep) cJSON *tree = NULL;
	_cleanup_(buf_free) struct buf out = BUF_MAX(10000);
	const cJSON *member;
	struct error err = {};

	assert_int_equal(toml_parse(slice_string(text), &toml_limits_config, &tree, &err), 0);
	cJSON_ArrayForEach(member, tree) toml_print(&out, "", member);
	assert_string_equal(buf_text(&out), printed);
}

static void test_only_plain_whole_numbers_are_integers(void **state)
{
	_cleanup_(json_freep) cJSON *tree = NULL;
	struct error err = {};
	uint64_t n = 0;

	assert_int_equal(toml_parse(slice_string("a = 3\nb = \"3\"\nc = 3.0\nd = -3"), &toml_limits_config, &tree, &err), 0);
	assert_true(toml_integer(cJSON_GetObjectItem(tree, "a"), &n));
	assert_int_equal(n, 3);
	assert_false(toml_integer(cJSON_GetObjectItem(tree, "b"), &n));
	assert_false(toml_integer(cJSON_GetObjectItem(tree, "c"), &n));
	assert_false(toml_integer(cJSON_GetObjectItem(tree, "d"), &n));
	assert_false(toml_integer(NULL, &n));
}

static void test_each_limit_is_exact_and_named(void **state)
{
	static const char text[] = "a.b = [[1]]\n[[c]]\n";
	const struct toml_limits exact = { .bytes = sizeof(text) - 1, .depth = 2, .values = 6 };
	static const struct {
		struct toml_limits limits;
		const char *message;
	} rows[] = {
		{ { .bytes = sizeof(text) - 2, .depth = 2, .values = 6 }, "18 bytes are above the limit of 17" },
		{ { .bytes = sizeof(text) - 1, .depth = 1, .values = 6 }, "line 1: a key of more parts than the limit of 1" },
		{ { .bytes = sizeof(text) - 1, .depth = 2, .values = 5 }, "line 2: more values than the limit of 5" },
	};
	_cleanup_(json_freep) cJSON *tree = NULL;
	struct error err = {};

	assert_int_equal(toml_parse(slice_string(text), &exact, &tree, &err), 0);
	for (size_t i = 0; i < ELEMENTS_OF(rows); i++) {
		assert_int_equal(toml_parse(slice_string(text), &rows[i].limits, &tree, &err), -E2BIG);
		assert_string_equal(err.message, rows[i].message);
	}
	assert_int_equal(toml_parse(slice_string("a = [[[1]]]"), &exact, &tree, &err), -E2BIG);
	assert_string_equal(err.message, "line 1: nested deeper than the limit of 2");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_toml_means_what_its_specification_says),
		cmocka_unit_test(test_what_is_printed_is_read_as_the_same),
		cmocka_unit_test(test_only_plain_whole_numbers_are_integers),
		cmocka_unit_test(test_each_limit_is_exact_and_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
