// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>
#include <stdio.h>

#include "common/base/array.h"
#include "common/json/json.h"

static cJSON *tree;

static struct json_view parse(const char *text)
{
	struct error err = {};

	json_free(tree);
	tree = NULL;
	if (json_parse(slice_string(text), &json_limits_object, &tree, &err) < 0)
		fail_msg("%s", err.message);
	return json_root(tree);
}

static int free_tree(void **state)
{
	json_free(tree);
	tree = NULL;
	return 0;
}

static void test_parse_writes_its_output_only_on_success(void **state)
{
	cJSON *untouched = (cJSON *)state;

	assert_int_equal(json_parse(slice_string("{"), &json_limits_object, &untouched, NULL), -EINVAL);
	assert_ptr_equal(untouched, state);
}

static void test_an_error_says_the_way_to_the_value(void **state)
{
	struct json_view root = parse("{\"spec\":{\"ingress\":[0,1,{\"ports\":[{\"port\":70000}]}]}}");
	struct json_view spec, ingress, ports, port;
	struct error err = {};
	int64_t value;

	assert_true(json_member(&root, "spec", &spec));
	assert_true(json_member(&spec, "ingress", &ingress));
	struct json_view rule = json_element(&ingress, 2);
	assert_true(json_member(&rule, "ports", &ports));
	struct json_view first = json_element(&ports, 0);
	assert_true(json_member(&first, "port", &port));
	assert_int_equal(json_expect_integer(&port, 1, 65535, &value, &err), -EINVAL);
	assert_string_equal(err.message, "spec.ingress[2].ports[0].port: 70000 is above 65535");
}

static void test_paths_are_readable_whatever_the_keys(void **state)
{
	struct json_view root = parse("{\"app.kubernetes.io/name\":{\"\":[{\"a\\u001bb\":1}]}}");
	struct json_view label = json_first(&root);
	struct json_view list = json_first(&label);
	struct json_view item = json_first(&list);
	struct json_view leaf = json_first(&item);
	char path[100];

	json_path(&root, path, sizeof(path));
	assert_string_equal(path, "");
	json_path(&leaf, path, sizeof(path));
	assert_string_equal(path, "[\"app.kubernetes.io/name\"][\"\"][0][\"a?b\"]");
}

static void test_a_long_path_is_cut_at_the_front(void **state)
{
	struct json_view root = parse("{\"first\":{\"second\":{\"third\":1}}}");
	struct json_view first = json_first(&root), second = json_first(&first), third = json_first(&second);
	char exact[sizeof("first.second.third")], path[sizeof("first.second.third") - 1], tiny[2];

	json_path(&third, exact, sizeof(exact));
	assert_string_equal(exact, "first.second.third");
	json_path(&third, path, sizeof(path));
	assert_string_equal(path, "....second.third");
	json_path(&third, tiny, sizeof(tiny));
	assert_string_equal(tiny, ".");
}

static void test_null_is_the_same_as_absent(void **state)
{
	struct json_view root = parse("{\"a\":null,\"b\":1}");
	struct json_view member = root;
	struct error err = {};

	assert_false(json_member(&root, "a", &member));
	assert_ptr_equal(member.value, root.value);
	assert_int_equal(json_require(&root, "a", &member, &err), -EINVAL);
	assert_string_equal(err.message, "\"a\" is missing");
	assert_int_equal(json_require(&root, "b", &member, &err), 0);
}

static void test_keys_are_case_sensitive(void **state)
{
	struct json_view root = parse("{\"Name\":1}");
	struct json_view member;

	assert_false(json_member(&root, "name", &member));
	assert_true(json_member(&root, "Name", &member));
}

static void test_members_of_what_is_no_object_do_not_exist(void **state)
{
	struct json_view root = parse("[{\"a\":1}]");
	struct json_view member;
	struct error err = {};

	assert_false(json_member(&root, "a", &member));
	assert_int_equal(json_require(&root, "a", &member, &err), -EINVAL);
	assert_string_equal(err.message, "must be an object, not a list");
}

static void test_wrong_types_are_named(void **state)
{
	struct json_view root = parse("{\"s\":\"x\",\"n\":1,\"b\":true,\"l\":[],\"o\":{},\"z\":null}");
	static const char *const types[] = { "a string", "a number", "a boolean", "a list", "an object", "null" };
	size_t i = 0;

	JSON_FOR_EACH(item, &root) {
		char expected[100];
		struct error err = {};
		const char *text;
		bool flag;
		int64_t number;
		size_t n;
		snprintf(expected, sizeof(expected), "%s: must be a string, not %s", item.key, types[i]);
		if (json_expect_string(&item, &text, &err) < 0)
			assert_string_equal(err.message, expected);
		else
			assert_int_equal(i, 0);
		assert_int_equal(json_expect_integer(&item, 0, 9, &number, &err) == 0, i == 1);
		assert_int_equal(json_expect_bool(&item, &flag, &err) == 0, i == 2);
		assert_int_equal(json_expect_array(&item, 9, &n, &err) == 0, i == 3);
		assert_int_equal(json_expect_object(&item, &err) == 0, i == 4);
		i++;
	}
	assert_int_equal(i, ELEMENTS_OF(types));
}

static void test_integers_are_whole_exact_and_in_range(void **state)
{
	static const struct {
		const char *text;
		int64_t minimum, maximum;
		const char *message; /* NULL: accepted */
	} cases[] = {
		{ "0", 0, 0, NULL },
		{ "-5", -5, 5, NULL },
		{ "1e3", 0, 1000, NULL },
		{ "9007199254740992", 0, INT64_MAX, NULL },
		{ "-9007199254740992", INT64_MIN, 0, NULL },
		{ "9007199254740994", 0, INT64_MAX, "9007199254740994 is no whole number up to 2^53" },
		{ "1.5", 0, 5, "1.5 is no whole number up to 2^53" },
		{ "1e999", 0, INT64_MAX, "inf is no whole number up to 2^53" },
		{ "0", 1, 5, "0 is below 1" },
		{ "6", 1, 5, "6 is above 5" },
	};

	for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
		struct json_view root = parse(cases[i].text);
		struct error err = {};
		int64_t value = 42;
		int r = json_expect_integer(&root, cases[i].minimum, cases[i].maximum, &value, &err);
		assert_int_equal(r, cases[i].message ? -EINVAL : 0);
		if (cases[i].message) {
			assert_string_equal(err.message, cases[i].message);
			assert_int_equal(value, 42);
		}
	}
}

static void test_lists_have_a_limit(void **state)
{
	struct json_view root = parse("[1,2,3]");
	struct error err = {};
	size_t n = 0;

	assert_int_equal(json_expect_array(&root, 3, &n, &err), 0);
	assert_int_equal(n, 3);
	assert_int_equal(json_expect_array(&root, 2, &n, &err), -EINVAL);
	assert_string_equal(err.message, "3 elements are above the limit of 2");
}

static void test_an_element_behind_the_end_has_no_value(void **state)
{
	struct json_view root = parse("[1,2]");

	assert_non_null(json_element(&root, 1).value);
	assert_null(json_element(&root, 2).value);
}

static void test_for_each_visits_all_in_order(void **state)
{
	struct json_view root = parse("[10,11,12]");
	size_t n = 0;

	JSON_FOR_EACH(item, &root) {
		assert_int_equal(item.index, n);
		assert_null(item.key);
		assert_int_equal(item.value->valuedouble, 10 + n);
		n++;
	}
	assert_int_equal(n, 3);
	struct json_view scalar = parse("1");
	JSON_FOR_EACH(item, &scalar)
		fail_msg("a number has no members");
}

static void test_an_unknown_key_is_named_with_the_nearest_known_one(void **state)
{
	static const char *const known[] = { "policy", "source", NULL };
	struct json_view root = parse("{\"network\":{\"source\":1,\"pollicy\":1}}");
	struct json_view network = json_first(&root);
	struct error err = {};

	assert_int_equal(json_expect_keys(&network, known, &err), -EINVAL);
	assert_string_equal(err.message, "network.pollicy: unknown key \"pollicy\"; did you mean \"policy\"?");
	assert_int_equal(json_expect_keys(&root, known, &err), -EINVAL);
	assert_string_equal(err.message, "network: unknown key \"network\"");
	root = parse("{\"policy\":{},\"source\":null}");
	assert_int_equal(json_expect_keys(&root, known, &err), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse_writes_its_output_only_on_success),
		cmocka_unit_test(test_an_error_says_the_way_to_the_value),
		cmocka_unit_test(test_paths_are_readable_whatever_the_keys),
		cmocka_unit_test(test_a_long_path_is_cut_at_the_front),
		cmocka_unit_test(test_null_is_the_same_as_absent),
		cmocka_unit_test(test_keys_are_case_sensitive),
		cmocka_unit_test(test_members_of_what_is_no_object_do_not_exist),
		cmocka_unit_test(test_wrong_types_are_named),
		cmocka_unit_test(test_integers_are_whole_exact_and_in_range),
		cmocka_unit_test(test_lists_have_a_limit),
		cmocka_unit_test(test_an_element_behind_the_end_has_no_value),
		cmocka_unit_test(test_for_each_visits_all_in_order),
		cmocka_unit_test(test_an_unknown_key_is_named_with_the_nearest_known_one),
	};

	return cmocka_run_group_tests_name("json_view", tests, NULL, free_tree);
}
