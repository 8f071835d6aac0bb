// SPDX-License-Identifier: Apache-2.0
#include "common/kube/manifest.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/base/array.h"
#include "common/base/show.h"
#include "common/json/yaml.h"

#define LIST_SUFFIX "List"

static const struct json_limits json_limits = { .bytes = MANIFEST_BYTES_MAX, .depth = 64, .values = 400000 };
static const struct yaml_limits yaml_limits = {
	.bytes = MANIFEST_BYTES_MAX,
	.depth = 64,
	.values = 400000,
	.documents = MANIFEST_OBJECTS_MAX,
};

void manifest_clear(struct manifest *manifest)
{
	for (size_t i = 0; i < manifest->n; i++)
		kube_object_free(manifest->items[i].object);
	free(manifest->items);
	*manifest = (struct manifest){};
}

static void skip(struct manifest *manifest, const struct error *reason)
{
	if (manifest->n_skipped++ == 0)
		snprintf(manifest->first_skipped, sizeof(manifest->first_skipped), "%.*s", (int)sizeof(manifest->first_skipped) - 1,
			 reason->message);
}

/* Takes over `object`, always. */
static int add_item(struct manifest *manifest, struct kube_object *object, unsigned line, struct error *err)
{
	_cleanup_(kube_object_freep) struct kube_object *owned = object;

	if (manifest->n == MANIFEST_OBJECTS_MAX)
		return error_set(err, E2BIG, "more than %d objects in one file", MANIFEST_OBJECTS_MAX);
	if (!array_room((void **)&manifest->items, manifest->n, &manifest->capacity, sizeof(*manifest->items)))
		return error_nomem(err);
	manifest->items[manifest->n++] = (struct manifest_item){ .object = TAKE_PTR(owned), .line = line };
	return 0;
}

static int add_object(struct manifest *manifest, const struct json_view *at, unsigned line, struct error *err)
{
	struct kube_object *object;
	struct error problem;
	int r = kube_object_read(at, &object, &problem);

	if (r == 0)
		return add_item(manifest, object, line, err);
	if (r != -ENOTSUP)
		return error_set(err, -r, "%s", problem.message);
	skip(manifest, &problem);
	return 0;
}

/* Items of a PodList lack kind and apiVersion, as the API server writes them. */
static int add_typed_item(struct manifest *manifest, const char *list_kind, const struct json_view *at, unsigned line, struct error *err)
{
	size_t n = strlen(list_kind) - strlen(LIST_SUFFIX);
	struct kube_object *object;
	struct json_view member;
	struct error unknown;

	if (n == 0 || json_member(at, "kind", &member))
		return add_object(manifest, at, line, err);
	for (enum kube_kind kind = 0; kind < KUBE_KIND_COUNT; kind++) {
		const char *name = kube_kind_name(kind);
		if (strlen(name) != n || memcmp(name, list_kind, n) != 0)
			continue;
		int r = kube_object_read_kind(kind, true, at, &object, err);
		return r < 0 ? r : add_item(manifest, object, line, err);
	}
	error_set(&unknown, ENOTSUP, "Holdfast does not read lists of kind \"%s\"", SHOW(slice_string(list_kind)));
	skip(manifest, &unknown);
	return 0;
}

static int add_list(struct manifest *manifest, const char *kind, const struct json_view *root, unsigned line, struct error *err)
{
	struct json_view items;
	size_t n;

	if (!json_member(root, "items", &items))
		return 0;
	int r = json_expect_array(&items, MANIFEST_OBJECTS_MAX, &n, err);
	if (r < 0)
		return r;
	JSON_FOR_EACH(item, &items) {
		/* A root of its own: the reason in an invalid policy then begins at its spec, as everywhere. */
		struct json_view own_root = json_root(item.value);
		r = add_typed_item(manifest, kind, &own_root, line, err);
		if (r < 0)
			return error_wrap(err, "items[%zu]", item.index);
	}
	return 0;
}

static bool is_list(const char *kind)
{
	size_t n = strlen(kind);

	return n >= strlen(LIST_SUFFIX) && strcmp(kind + n - strlen(LIST_SUFFIX), LIST_SUFFIX) == 0;
}

static int add_tree(struct manifest *manifest, const cJSON *tree, unsigned line, struct error *err)
{
	struct json_view root = json_root(tree), at;
	const char *kind;

	if (json_member(&root, "kind", &at) && json_expect_string(&at, &kind, NULL) == 0 && is_list(kind))
		return add_list(manifest, kind, &root, line, err);
	return add_object(manifest, &root, line, err);
}

static int take_document(void *context, cJSON *owned, unsigned line, struct error *err)
{
	_cleanup_(json_freep) cJSON *tree = owned;
	int r = add_tree(context, tree, line, err);

	return r < 0 ? error_wrap(err, "document at line %u", line) : 0;
}

static int read_json(struct slice text, struct manifest *manifest, struct error *err)
{
	cJSON *tree;
	int r = json_parse(text, &json_limits, &tree, err);

	return r < 0 ? r : take_document(manifest, tree, 1, err);
}

int manifest_read(struct slice text, bool is_json, struct manifest *ret, struct error *err)
{
	struct manifest manifest = {};
	int r = is_json ? read_json(text, &manifest, err) : yaml_parse(text, &yaml_limits, take_document, &manifest, err);

	if (r < 0) {
		manifest_clear(&manifest);
		return r;
	}
	*ret = manifest;
	return 0;
}
