// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>

#include "common/base/array.h"
#include "common/base/buf.h"
#include "common/kube/objects.h"

static int compare_value(const void *item, const void *value, size_t size)
{
	return strcmp(*(char *const *)item, value);
}

static bool has_value(const struct kube_requirement *requirement, const char *value)
{
	size_t ignored;

	return array_search(requirement->values, requirement->n_values, sizeof(*requirement->values), value, compare_value, &ignored);
}

static bool requirement_matches(const struct kube_requirement *requirement, const struct kube_labels *labels)
{
	const char *value = kube_labels_get(labels, requirement->key);

	switch (requirement->operator) {
	case KUBE_IN:
		return value && has_value(requirement, value);
	case KUBE_NOT_IN:
		return !value || !has_value(requirement, value);
	case KUBE_EXISTS:
		return value != NULL;
	case KUBE_DOES_NOT_EXIST:
		return value == NULL;
	}
	return false;
}

bool kube_selector_matches(const struct kube_selector *selector, const struct kube_labels *labels)
{
	for (size_t i = 0; i < selector->n; i++) {
		if (!requirement_matches(&selector->requirements[i], labels))
			return false;
	}
	return true;
}

static void print_values(const struct kube_requirement *requirement, struct buf *out)
{
	buf_byte(out, '(');
	for (size_t i = 0; i < requirement->n_values; i++) {
		if (i > 0)
			buf_byte(out, ',');
		buf_string(out, requirement->values[i]);
	}
	buf_byte(out, ')');
}

static void print_requirement(const struct kube_requirement *requirement, struct buf *out)
{
	static const char *const words[] = {
		[KUBE_IN] = " in ",
		[KUBE_NOT_IN] = " notin ",
		[KUBE_EXISTS] = " exists",
		[KUBE_DOES_NOT_EXIST] = " absent",
	};

	buf_string(out, requirement->key);
	buf_string(out, words[requirement->operator]);
	if (requirement->n_values > 0)
		print_values(requirement, out);
}

void kube_selector_print(const struct kube_selector *selector, struct buf *out)
{
	for (size_t i = 0; i < selector->n; i++) {
		if (i > 0)
			buf_byte(out, ',');
		print_requirement(&selector->requirements[i], out);
	}
}
