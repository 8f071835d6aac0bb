// SPDX-License-Identifier: Apache-2.0
/* Limits and the callback. What YAML means and what is refused stands in tests/golden/yaml. */
#include "tests/unit/common/cmocka_all.h"
#include "tests/unit/common/repeat.h"

#include <errno.h>

#include "common/base/array.h"
#include "common/base/buf.h"
#include "common/json/json.h"
#include "common/json/yaml.h"

static int print_document(void *context, cJSON *tree, unsigned line, struct error *err)
{
	_cleanup_(json_freep) cJSON *owned = tree;
	_cleanup_free_ char *text = cJSON_PrintUnformatted(owned);

	buf_printf(context, "%u %s\n", line, text);
	return 0;
}

static int parse(const char *text, struct yaml_limits limits, struct buf *out, struct error *err)
{
	return yaml_parse(slice_string(text), &limits, print_document, out, err);
}

static void test_each_limit_is_exact_and_named(void **state)
{
	static const char text[] = "a: [1]\n---\nb\n";
	const struct yaml_limits exact = { .bytes = sizeof(text) - 1, .depth = 2, .values = 4, .documents = 2 };
	_cleanup_(buf_free) struct buf out = BUF_MAX(1000);
	struct yaml_limits less;
	struct error err = {};

	assert_int_equal(parse(text, exact, &out, &err), 0);
	less = exact;
	less.bytes--;
	assert_int_equal(parse(text, less, &out, &err), -E2BIG);
	assert_string_equal(err.message, "13 bytes of YAML are above the limit of 12");
	less = exact;
	less.depth--;
	assert_int_equal(parse(text, less, &out, &err), -E2BIG);
	assert_string_equal(err.message, "line 1, column 4: nested deeper than the limit of 1");
	less = exact;
	less.values--;
	assert_int_equal(parse(text, less, &out, &err), -E2BIG);
	assert_string_equal(err.message, "line 3, column 1: more values than the limit of 3");
	less = exact;
	less.documents--;
	assert_int_equal(parse(text, less, &out, &err), -E2BIG);
	assert_string_equal(err.message, "line 2, column 1: more documents than the limit of 1");
}

static void test_megabytes_of_nesting_are_refused_at_the_limit(void **state)
{
	static const char *const openings[] = { "[", "{a: ", "- ", "? " };
	struct yaml_limits generous = { .bytes = SIZE_MAX, .depth = SIZE_MAX, .values = SIZE_MAX, .documents = SIZE_MAX };

	for (size_t i = 0; i < ELEMENTS_OF(openings); i++) {
		_cleanup_(buf_free) struct buf text = BUF_MAX(32 << 20), out = BUF_MAX(10);
		struct error err = {};
		repeat(&text, openings[i]);
		assert_int_equal(yaml_parse(buf_view(&text), &yaml_limits_manifests, print_document, &out, &err), -E2BIG);
		int r = yaml_parse(buf_view(&text), &generous, print_document, &out, &err);
		assert_true(r == -E2BIG || r == -EINVAL);
		assert_int_equal(out.n, 0);
	}
}

static void test_documents_before_a_broken_one_are_delivered(void **state)
{
	_cleanup_(buf_free) struct buf out = BUF_MAX(1000);
	struct error err = {};

	assert_int_equal(parse("a: 1\n---\nb: 2\n---\nc: [\n", yaml_limits_manifests, &out, &err), -EINVAL);
	assert_string_equal(buf_text(&out), "1 {\"a\":1}\n2 {\"b\":2}\n");
	assert_string_equal(err.message, "line 6, column 1: did not find expected node content");
}

static int refuse_document(void *context, cJSON *tree, unsigned line, struct error *err)
{
	unsigned *calls = context;

	json_free(tree);
	++*calls;
	return error_set(err, ENOTSUP, "line %u: not today", line);
}

static void test_an_error_of_the_owner_ends_the_parse(void **state)
{
	struct error err = {};
	unsigned calls = 0;

	int r = yaml_parse(slice_string("---\na: 1\n---\nb: 2\n"), &yaml_limits_manifests, refuse_document, &calls, &err);
	assert_int_equal(r, -ENOTSUP);
	assert_string_equal(err.message, "line 1: not today");
	assert_int_equal(calls, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_limit_is_exact_and_named),
		cmocka_unit_test(test_megabytes_of_nesting_are_refused_at_the_limit),
		cmocka_unit_test(test_documents_before_a_broken_one_are_delivered),
		cmocka_unit_test(test_an_error_of_the_owner_ends_the_parse),
	};

	return cmocka_run_group_tests_name("yaml", tests, NULL, NULL);
}
