// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/show.h"
#include "common/kube/limits.h"
#include "common/kube/read.h"
#include "common/kube/syntax.h"

static int compare_keys(const void *a, const void *b)
{
	const struct kube_label *left = a, *right = b;

	return strcmp(left->key, right->key);
}

const char *kube_labels_get(const struct kube_labels *labels, const char *key)
{
	size_t low = 0, high = labels->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(labels->items[middle].key, key);
		if (order == 0)
			return labels->items[middle].value;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

bool kube_labels_include(const struct kube_labels *labels, const struct kube_labels *wanted)
{
	for (size_t i = 0; i < wanted->n; i++) {
		const char *value = kube_labels_get(labels, wanted->items[i].key);

		if (!value || strcmp(value, wanted->items[i].value) != 0)
			return false;
	}
	return true;
}

static int count_labels(const struct json_view *at, const char *extra_key, size_t *ret, struct error *err)
{
	size_t n = extra_key ? 1 : 0;

	if (at->value) {
		int r = json_expect_object(at, err);
		if (r < 0)
			return r;
		JSON_FOR_EACH(item, at)
			n += !extra_key || strcmp(item.key, extra_key) != 0;
	}
	if (n > KUBE_LABELS_MAX)
		return json_error(at, err, "%zu labels are above the limit of %d", n, KUBE_LABELS_MAX);
	*ret = n;
	return 0;
}

static int add_label(struct arena *arena, struct kube_labels *labels, const char *key, const char *value, struct error *err)
{
	struct kube_label *label = &labels->items[labels->n];

	label->key = arena_string(arena, key);
	label->value = arena_string(arena, value);
	if (!label->key || !label->value)
		return error_nomem(err);
	labels->n++;
	return 0;
}

static int read_label(struct arena *arena, const struct json_view *item, struct kube_labels *labels, struct error *err)
{
	const char *value;
	int r = json_expect_string(item, &value, err);

	if (r < 0)
		return r;
	if (!kube_syntax_label_key(item->key))
		return json_error(item->up, err, "\"%s\" is no label key: " KUBE_LABEL_KEY_HINT, SHOW(slice_string(item->key)));
	if (!kube_syntax_label_value(value))
		return json_error(item, err, "\"%s\" is no label value: " KUBE_LABEL_VALUE_HINT, SHOW(slice_string(value)));
	return add_label(arena, labels, item->key, value, err);
}

int kube_labels_read(struct arena *arena, const struct json_view *at, const char *extra_key, const char *extra_value,
		     struct kube_labels *ret, struct error *err)
{
	struct kube_labels labels = {};
	size_t n = 0;

	int r = count_labels(at, extra_key, &n, err);
	if (r < 0 || n == 0)
		return r;
	labels.items = ARENA_ARRAY(arena, struct kube_label, n);
	if (!labels.items)
		return error_nomem(err);
	if (extra_key)
		r = add_label(arena, &labels, extra_key, extra_value, err);
	JSON_FOR_EACH(item, at) {
		if (r == 0 && (!extra_key || strcmp(item.key, extra_key) != 0))
			r = read_label(arena, &item, &labels, err);
	}
	if (r < 0)
		return r;
	qsort(labels.items, labels.n, sizeof(*labels.items), compare_keys);
	*ret = labels;
	return 0;
}
