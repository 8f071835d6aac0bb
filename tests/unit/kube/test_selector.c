// SPDX-License-Identifier: Apache-2.0
/* clang-format off: cmocka needs this order */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
/* clang-format on */
#include <stdio.h>
#include <string.h>

#include "common/base/array.h"
#include "tests/unit/kube/print.h"

static struct kube_object *policy_selecting(const char *selector)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(64 * 1024);

	buf_printf(&text,
		   "{\"kind\":\"NetworkPolicy\",\"apiVersion\":\"networking.k8s.io/v1\",\"metadata\":{\"name\":\"a\"},"
		   "\"spec\":{\"podSelector\":%s}}",
		   selector);
	struct kube_object *object = object_of(buf_text(&text));
	assert_null(object->policy.invalid);
	return object;
}

static struct kube_object *pod_labelled(const char *labels)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(64 * 1024);

	buf_printf(&text, "{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"a\",\"labels\":%s}}", labels);
	return object_of(buf_text(&text));
}

#define EXPRESSION(operator, values) "{\"matchExpressions\":[{\"key\":\"app\",\"operator\":\"" operator"\"" values "}]}"
#define DB_WEB ",\"values\":[\"web\",\"db\"]"
#define BOTH "{\"matchLabels\":{\"app\":\"db\"},\"matchExpressions\":[{\"key\":\"tier\",\"operator\":\"Exists\"}]}"

static const struct {
	const char *name, *selector, *labels;
	bool matches;
} match_cases[] = {
	{ "empty selects everything", "{}", "{\"app\":\"db\"}", true },
	{ "empty selects the unlabelled", "{}", "{}", true },
	{ "label equal", "{\"matchLabels\":{\"app\":\"db\"}}", "{\"app\":\"db\",\"x\":\"y\"}", true },
	{ "label other value", "{\"matchLabels\":{\"app\":\"db\"}}", "{\"app\":\"web\"}", false },
	{ "label absent", "{\"matchLabels\":{\"app\":\"db\"}}", "{}", false },
	{ "label value empty", "{\"matchLabels\":{\"app\":\"\"}}", "{\"app\":\"\"}", true },
	{ "empty value is not absence", "{\"matchLabels\":{\"app\":\"\"}}", "{}", false },
	{ "all labels must hold", "{\"matchLabels\":{\"app\":\"db\",\"tier\":\"x\"}}", "{\"app\":\"db\"}", false },
	{ "In, one of them", EXPRESSION("In", DB_WEB), "{\"app\":\"db\"}", true },
	{ "In, none of them", EXPRESSION("In", DB_WEB), "{\"app\":\"dbx\"}", false },
	{ "In, absent", EXPRESSION("In", DB_WEB), "{}", false },
	{ "NotIn, one of them", EXPRESSION("NotIn", DB_WEB), "{\"app\":\"web\"}", false },
	{ "NotIn, none of them", EXPRESSION("NotIn", DB_WEB), "{\"app\":\"api\"}", true },
	{ "NotIn, absent", EXPRESSION("NotIn", DB_WEB), "{}", true },
	{ "Exists, there", EXPRESSION("Exists", ""), "{\"app\":\"\"}", true },
	{ "Exists, absent", EXPRESSION("Exists", ""), "{\"ap\":\"x\"}", false },
	{ "DoesNotExist, there", EXPRESSION("DoesNotExist", ""), "{\"app\":\"x\"}", false },
	{ "DoesNotExist, absent", EXPRESSION("DoesNotExist", ""), "{\"apps\":\"x\"}", true },
	{ "labels and expressions, both", BOTH, "{\"app\":\"db\",\"tier\":\"\"}", true },
	{ "labels and expressions, one", BOTH, "{\"app\":\"db\"}", false },
	{ "keys are case sensitive", "{\"matchLabels\":{\"App\":\"db\"}}", "{\"app\":\"db\"}", false },
};

static void test_selects_as_the_api_says(void **state)
{
	for (size_t i = 0; i < ELEMENTS_OF(match_cases); i++) {
		_cleanup_(kube_object_freep) struct kube_object *policy = policy_selecting(match_cases[i].selector);
		_cleanup_(kube_object_freep) struct kube_object *pod = pod_labelled(match_cases[i].labels);
		if (kube_selector_matches(&policy->policy.pod_selector, &pod->labels) != match_cases[i].matches)
			fail_msg("%s: must %smatch", match_cases[i].name, match_cases[i].matches ? "" : "not ");
	}
}

static void test_a_namespace_is_selected_by_its_name(void **state)
{
	_cleanup_(kube_object_freep) struct kube_object *policy =
		policy_selecting("{\"matchLabels\":{\"kubernetes.io/metadata.name\":\"shop\"}}");
	_cleanup_(kube_object_freep) struct kube_object *namespace =
		object_of("{\"kind\":\"Namespace\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"shop\"}}");

	assert_true(kube_selector_matches(&policy->policy.pod_selector, &namespace->labels));
}

static const char *const same_rows[][2] = {
	{ "{\"matchLabels\":{\"a\":\"1\",\"b\":\"2\"}}", "{\"matchLabels\":{\"b\":\"2\",\"a\":\"1\"}}" },
	{ "{\"matchLabels\":{\"a\":\"1\"}}", "{\"matchExpressions\":[{\"key\":\"a\",\"operator\":\"In\",\"values\":[\"1\"]}]}" },
	{ "{\"matchLabels\":{\"a\":\"1\"},\"matchExpressions\":[{\"key\":\"a\",\"operator\":\"In\",\"values\":[\"1\",\"1\"]}]}",
	  "{\"matchLabels\":{\"a\":\"1\"}}" },
	{ "{\"matchExpressions\":[{\"key\":\"a\",\"operator\":\"NotIn\",\"values\":[\"x\",\"y\"]}]}",
	  "{\"matchExpressions\":[{\"key\":\"a\",\"operator\":\"NotIn\",\"values\":[\"y\",\"x\",\"y\"]}]}" },
	{ "{}", "{\"matchLabels\":{},\"matchExpressions\":[]}" },
	{ "{}", "{\"matchLabels\":null,\"matchExpressions\":null}" },
};

static void test_selectors_that_say_the_same_print_the_same(void **state)
{
	for (size_t i = 0; i < ELEMENTS_OF(same_rows); i++) {
		_cleanup_(kube_object_freep) struct kube_object *a = policy_selecting(same_rows[i][0]);
		_cleanup_(kube_object_freep) struct kube_object *b = policy_selecting(same_rows[i][1]);
		_cleanup_(buf_free) struct buf a_text = BUF_MAX(1024);
		_cleanup_(buf_free) struct buf b_text = BUF_MAX(1024);
		kube_selector_print(&a->policy.pod_selector, &a_text);
		kube_selector_print(&b->policy.pod_selector, &b_text);
		assert_string_equal(buf_text(&a_text), buf_text(&b_text));
	}
}

static void test_finds_each_of_many_labels(void **state)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(64 * 1024);
	char key[16], value[16];

	for (unsigned i = 0; i < 1000; i++)
		buf_printf(&text, "%s\"k%u\":\"v%u\"", i ? "," : "{", (i * 7) % 1000, (i * 7) % 1000);
	buf_byte(&text, '}');
	_cleanup_(kube_object_freep) struct kube_object *pod = pod_labelled(buf_text(&text));
	for (unsigned i = 0; i < 1000; i++) {
		snprintf(key, sizeof(key), "k%u", i);
		snprintf(value, sizeof(value), "v%u", i);
		assert_string_equal(kube_labels_get(&pod->labels, key), value);
	}
	assert_null(kube_labels_get(&pod->labels, "k1000"));
	assert_null(kube_labels_get(&pod->labels, ""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_selects_as_the_api_says),
		cmocka_unit_test(test_a_namespace_is_selected_by_its_name),
		cmocka_unit_test(test_selectors_that_say_the_same_print_the_same),
		cmocka_unit_test(test_finds_each_of_many_labels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
