// SPDX-License-Identifier: Apache-2.0
/*
 * LabelSelector → a sorted list of requirements without duplicates, so that selectors that mean the same in the same words print
 * the same text and can share a set in the kernel. matchLabels {a: b} is the requirement "a in (b)".
 */
#include "common/kube/read.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/array.h"
#include "common/base/show.h"
#include "common/kube/limits.h"
#include "common/kube/syntax.h"

static const char *const operator_names[] = {
	[KUBE_IN] = "In",
	[KUBE_NOT_IN] = "NotIn",
	[KUBE_EXISTS] = "Exists",
	[KUBE_DOES_NOT_EXIST] = "DoesNotExist",
};

const char *kube_operator_name(enum kube_operator operator)
{
	return operator_names[operator];
}

static int compare_strings(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int compare_requirements(const void *a, const void *b)
{
	const struct kube_requirement *left = a, *right = b;
	int order = strcmp(left->key, right->key);

	if (order == 0)
		order = (int)left->operator-(int) right->operator;
	for (size_t i = 0; order == 0 && i < left->n_values && i < right->n_values; i++)
		order = strcmp(left->values[i], right->values[i]);
	if (order == 0)
		order = (left->n_values > right->n_values) - (left->n_values < right->n_values);
	return order;
}

static void sort_values(struct kube_requirement *requirement)
{
	size_t kept = 0;

	qsort(requirement->values, requirement->n_values, sizeof(char *), compare_strings);
	for (size_t i = 0; i < requirement->n_values; i++) {
		if (kept == 0 || strcmp(requirement->values[kept - 1], requirement->values[i]) != 0)
			requirement->values[kept++] = requirement->values[i];
	}
	requirement->n_values = kept;
}

static void sort_requirements(struct kube_selector *selector)
{
	size_t kept = 0;

	qsort(selector->requirements, selector->n, sizeof(*selector->requirements), compare_requirements);
	for (size_t i = 0; i < selector->n; i++) {
		if (kept == 0 || compare_requirements(&selector->requirements[kept - 1], &selector->requirements[i]) != 0)
			selector->requirements[kept++] = selector->requirements[i];
	}
	selector->n = kept;
}

static int read_value(struct arena *arena, const struct json_view *at, char **ret, struct error *err)
{
	const char *text;
	int r = json_expect_string(at, &text, err);

	if (r < 0)
		return r;
	if (!kube_syntax_label_value(text))
		return json_error(at, err, "\"%s\" is no label value: " KUBE_LABEL_VALUE_HINT, SHOW(slice_string(text)));
	*ret = arena_string(arena, text);
	return *ret ? 0 : error_nomem(err);
}

static int copy_key(struct arena *arena, const struct json_view *at, const char *key, char **ret, struct error *err)
{
	if (!kube_syntax_label_key(key))
		return json_error(at, err, "\"%s\" is no label key: " KUBE_LABEL_KEY_HINT, SHOW(slice_string(key)));
	*ret = arena_string(arena, key);
	return *ret ? 0 : error_nomem(err);
}

static int read_match_label(struct arena *arena, const struct json_view *item, struct kube_requirement *requirement, struct error *err)
{
	int r = copy_key(arena, item->up, item->key, &requirement->key, err);

	if (r < 0)
		return r;
	requirement->operator= KUBE_IN;
	requirement->values = ARENA_ARRAY(arena, char *, 1);
	if (!requirement->values)
		return error_nomem(err);
	requirement->n_values = 1;
	return read_value(arena, item, &requirement->values[0], err);
}

static int read_operator(const struct json_view *expression, enum kube_operator *ret, struct error *err)
{
	struct json_view at;
	const char *text;

	int r = json_require(expression, "operator", &at, err);
	if (r == 0)
		r = json_expect_string(&at, &text, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < ELEMENTS_OF(operator_names); i++) {
		if (strcmp(text, operator_names[i]) == 0) {
			*ret = (enum kube_operator)i;
			return 0;
		}
	}
	return json_error(&at, err, "\"%s\" is no operator: use In, NotIn, Exists or DoesNotExist", SHOW(slice_string(text)));
}

static int read_values(struct arena *arena, const struct json_view *at, struct kube_requirement *requirement, struct error *err)
{
	size_t n = 0;
	int r = json_expect_array(at, KUBE_SELECTOR_VALUES_MAX, &n, err);

	if (r < 0 || n == 0)
		return r;
	requirement->values = ARENA_ARRAY(arena, char *, n);
	if (!requirement->values)
		return error_nomem(err);
	JSON_FOR_EACH(item, at) {
		r = read_value(arena, &item, &requirement->values[requirement->n_values++], err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int check_value_count(const struct json_view *expression, const struct kube_requirement *requirement, struct error *err)
{
	bool wants_values = requirement->operator== KUBE_IN || requirement->operator== KUBE_NOT_IN;

	if (wants_values && requirement->n_values == 0)
		return json_error(expression, err, "operator %s needs values", operator_names[requirement->operator]);
	if (!wants_values && requirement->n_values > 0)
		return json_error(expression, err, "operator %s takes no values", operator_names[requirement->operator]);
	return 0;
}

static int read_expression(struct arena *arena, const struct json_view *at, struct kube_requirement *requirement, struct error *err)
{
	struct json_view key_at, values_at;
	const char *key;

	int r = json_expect_object(at, err);
	if (r == 0)
		r = json_require(at, "key", &key_at, err);
	if (r == 0)
		r = json_expect_string(&key_at, &key, err);
	if (r == 0)
		r = copy_key(arena, &key_at, key, &requirement->key, err);
	if (r == 0)
		r = read_operator(at, &requirement->operator, err);
	if (r == 0 && json_member(at, "values", &values_at))
		r = read_values(arena, &values_at, requirement, err);
	if (r == 0)
		r = check_value_count(at, requirement, err);
	if (r == 0 && requirement->n_values > 1)
		sort_values(requirement);
	return r;
}

static int count_members(const struct json_view *member, size_t *n, struct error *err)
{
	int r = json_expect_object(member, err);

	if (r < 0)
		return r;
	*n = 0;
	JSON_FOR_EACH(item, member)
		++*n;
	return 0;
}

int kube_selector_read(struct arena *arena, const struct json_view *at, struct kube_selector *ret, struct error *err)
{
	struct json_view labels = {}, expressions = {};
	struct kube_selector selector = {};
	size_t n_labels = 0, n_expressions = 0;

	int r = json_expect_object(at, err);
	if (r == 0 && json_member(at, "matchLabels", &labels))
		r = count_members(&labels, &n_labels, err);
	if (r == 0 && json_member(at, "matchExpressions", &expressions))
		r = json_expect_array(&expressions, KUBE_SELECTOR_REQUIREMENTS_MAX, &n_expressions, err);
	if (r < 0)
		return r;
	if (n_labels + n_expressions > KUBE_SELECTOR_REQUIREMENTS_MAX)
		return json_error(at, err, "%zu requirements are above the limit of %d", n_labels + n_expressions,
				  KUBE_SELECTOR_REQUIREMENTS_MAX);
	if (n_labels + n_expressions > 0) {
		selector.requirements = ARENA_ARRAY(arena, struct kube_requirement, n_labels + n_expressions);
		if (!selector.requirements)
			return error_nomem(err);
	}
	JSON_FOR_EACH(item, &labels) {
		if (r == 0)
			r = read_match_label(arena, &item, &selector.requirements[selector.n++], err);
	}
	JSON_FOR_EACH(item, &expressions) {
		if (r == 0)
			r = read_expression(arena, &item, &selector.requirements[selector.n++], err);
	}
	if (r < 0)
		return r;
	if (selector.n > 1)
		sort_requirements(&selector);
	*ret = selector;
	return 0;
}
