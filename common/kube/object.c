// SPDX-License-Identifier: Apache-2.0
/*
 * JSON tree → one kube_object in one block of memory: read once to measure, once to fill (arena.c). The object is the block's first
 * piece, so that kube_object_free is free(). Namespace and name follow each other in memory, each with its NUL: the store
 * uses both together as its hash key without a copy.
 */
#include <errno.h>
#include <string.h>

#include "common/base/array.h"
#include "common/base/show.h"
#include "common/kube/limits.h"
#include "common/kube/read.h"
#include "common/kube/syntax.h"

struct kind_row {
	const char *name;
	const char *api_version;
	bool namespaced;
	bool keeps_labels; /* nobody selects the other kinds by label: not kept */
	bool optional;
	bool custom;
};

static char empty[] = "";

static const struct kind_row kind_rows[KUBE_KIND_COUNT] = {
	[KUBE_POD] = { "Pod", "v1", .namespaced = true, .keeps_labels = true },
	[KUBE_NAMESPACE] = { "Namespace", "v1", .keeps_labels = true },
	[KUBE_NETWORK_POLICY] = { "NetworkPolicy", "networking.k8s.io/v1", .namespaced = true },
	[KUBE_NODE] = { "Node", "v1" },
	[KUBE_SERVICE] = { "Service", "v1", .namespaced = true, .optional = true },
	[KUBE_TPM_SECRET] = { "TPMSecret", "tpm.holdfast/v1alpha1", .custom = true },
	[KUBE_TPM_NODE] = { "TPMNode", "tpm.holdfast/v1alpha1", .custom = true },
};

const char *kube_kind_name(enum kube_kind kind)
{
	return kind_rows[kind].name;
}

const char *kube_kind_api_version(enum kube_kind kind)
{
	return kind_rows[kind].api_version;
}

bool kube_kind_is_optional(enum kube_kind kind)
{
	return kind_rows[kind].optional;
}

bool kube_kind_is_custom(enum kube_kind kind)
{
	return kind_rows[kind].custom;
}

int kube_read_string(struct arena *arena, const struct json_view *object, const char *key, size_t bytes_max, char **ret, struct error *err)
{
	struct json_view member;
	const char *text;

	if (!json_member(object, key, &member)) {
		*ret = NULL;
		return 0;
	}
	int r = json_expect_string(&member, &text, err);
	if (r < 0)
		return r;
	if (strlen(text) > bytes_max)
		return json_error(&member, err, "is longer than %zu bytes", bytes_max);
	char *copy = arena_string(arena, text);
	if (!copy)
		return error_nomem(err);
	*ret = copy;
	return 0;
}

static int read_namespace(const struct json_view *metadata, const char **ret, struct error *err)
{
	struct json_view at;

	if (!json_member(metadata, "namespace", &at)) {
		*ret = "default";
		return 0;
	}
	int r = json_expect_string(&at, ret, err);
	if (r < 0)
		return r;
	if (!kube_syntax_namespace(*ret))
		return json_error(&at, err, "\"%s\" is no namespace: " KUBE_NAMESPACE_HINT, SHOW(slice_string(*ret)));
	return 0;
}

int kube_read_name(enum kube_kind kind, const struct json_view *at, const char **ret_namespace, const char **ret_name, struct error *err)
{
	struct json_view metadata, name_at;
	const char *namespace = "", *name;

	int r = json_require(at, "metadata", &metadata, err);
	if (r == 0)
		r = json_expect_object(&metadata, err);
	if (r == 0)
		r = json_require(&metadata, "name", &name_at, err);
	if (r == 0)
		r = json_expect_string(&name_at, &name, err);
	if (r == 0 && !kube_syntax_name(name))
		r = json_error(&name_at, err, "\"%s\" is no object name: " KUBE_NAME_HINT, SHOW(slice_string(name)));
	if (r == 0 && kind_rows[kind].namespaced)
		r = read_namespace(&metadata, &namespace, err);
	if (r < 0)
		return r;
	*ret_namespace = namespace;
	*ret_name = name;
	return 0;
}

static int copy_names(struct arena *arena, const struct json_view *at, struct kube_object *object, struct error *err)
{
	const char *namespace, *name;
	int r = kube_read_name(object->kind, at, &namespace, &name, err);

	if (r < 0)
		return r;
	size_t n = strlen(namespace) + 1, m = strlen(name) + 1;
	char *both = arena_take(arena, n + m, 1, 1);
	if (!both)
		return error_nomem(err);
	object->namespace = memcpy(both, namespace, n);
	object->name = memcpy(both + n, name, m);
	return 0;
}

static int read_labels(struct arena *arena, const struct json_view *metadata, struct kube_object *object, struct error *err)
{
	bool is_namespace = object->kind == KUBE_NAMESPACE;
	struct json_view labels = {};

	if (!kind_rows[object->kind].keeps_labels)
		return 0;
	json_member(metadata, "labels", &labels);
	return kube_labels_read(arena, &labels, is_namespace ? "kubernetes.io/metadata.name" : NULL, object->name, &object->labels, err);
}

static int read_metadata(struct arena *arena, const struct json_view *at, struct kube_object *object, struct error *err)
{
	struct json_view metadata;

	int r = copy_names(arena, at, object, err);
	if (r < 0)
		return r;
	if (!json_member(at, "metadata", &metadata))
		return json_error(at, err, "\"metadata\" is missing");
	r = kube_read_string(arena, &metadata, "uid", KUBE_TEXT_MAX, &object->uid, err);
	if (r == 0)
		r = kube_read_string(arena, &metadata, "resourceVersion", KUBE_TEXT_MAX, &object->resource_version, err);
	if (r == 0)
		r = read_labels(arena, &metadata, object, err);
	if (r < 0)
		return r;
	object->uid = object->uid ? object->uid : empty;
	object->resource_version = object->resource_version ? object->resource_version : empty;
	return 0;
}

static int read_body(struct arena *arena, const struct json_view *at, struct kube_object *object, struct error *err)
{
	switch (object->kind) {
	case KUBE_POD:
		return kube_pod_read(arena, at, &object->pod, err);
	case KUBE_NETWORK_POLICY:
		return kube_policy_read(arena, at, &object->policy, err);
	case KUBE_NODE:
		return kube_node_read(arena, at, &object->node, err);
	case KUBE_SERVICE:
		return kube_service_read(arena, at, &object->service, err);
	case KUBE_NAMESPACE:
		return kube_namespace_read(arena, at, &object->ns, err);
	case KUBE_TPM_SECRET:
	case KUBE_TPM_NODE:
		return kube_tpm_read(arena, at, &object->tpm, err);
	case KUBE_KIND_COUNT:
		break;
	}
	return 0;
}

struct reading {
	enum kube_kind kind;
	bool with_identity;  /* kube_object_read_kind */
	const char *refused; /* kube_object_read_refused; else NULL */
};

static int read_object(struct arena *arena, const struct reading *what, const struct json_view *at, struct error *err)
{
	struct kube_object *object = ARENA_ARRAY(arena, struct kube_object, 1);

	if (!object)
		return error_nomem(err);
	object->kind = what->kind;
	int r = json_expect_object(at, err);
	if (r == 0)
		r = read_metadata(arena, at, object, err);
	if (r == 0)
		r = read_body(arena, at, object, err);
	if (r == 0 && what->kind == KUBE_POD && what->with_identity)
		r = kube_pod_read_identity(arena, at, &object->pod, err);
	if (r == 0 && what->refused)
		r = kube_policy_refuse(arena, &object->policy, what->refused, err);
	return r;
}

static int measure_and_read(const struct reading *what, const struct json_view *at, struct kube_object **ret, struct error *err)
{
	_cleanup_(arena_clear) struct arena measure = {};
	_cleanup_(arena_clear) struct arena exact = {};

	int r = read_object(&measure, what, at, err);
	if (r == 0)
		r = arena_exact(&exact, measure.used, err);
	if (r == 0)
		r = read_object(&exact, what, at, err);
	if (r < 0)
		return r;
	*ret = (struct kube_object *)(void *)TAKE_PTR(exact.block);
	return 0;
}

int kube_object_read_kind(enum kube_kind kind, bool with_identity, const struct json_view *at, struct kube_object **ret, struct error *err)
{
	const struct reading what = { .kind = kind, .with_identity = with_identity };

	return measure_and_read(&what, at, ret, err);
}

int kube_object_read_refused(const struct json_view *at, const char *reason, struct kube_object **ret, struct error *err)
{
	const struct reading what = { .kind = KUBE_NETWORK_POLICY, .refused = reason };

	return measure_and_read(&what, at, ret, err);
}

static int find_kind(const char *kind, const char *api_version, enum kube_kind *ret, struct error *err)
{
	for (size_t i = 0; i < ELEMENTS_OF(kind_rows); i++) {
		if (strcmp(kind, kind_rows[i].name) == 0 && strcmp(api_version, kind_rows[i].api_version) == 0) {
			*ret = (enum kube_kind)i;
			return 0;
		}
	}
	return error_set(err, ENOTSUP, "Holdfast does not read objects of kind \"%s\" in apiVersion \"%s\"", SHOW(slice_string(kind)),
			 SHOW(slice_string(api_version)));
}

int kube_object_read(const struct json_view *at, struct kube_object **ret, struct error *err)
{
	struct json_view kind_at, version_at;
	const char *name, *version;
	enum kube_kind kind = KUBE_KIND_COUNT;

	int r = json_expect_object(at, err);
	if (r == 0)
		r = json_require(at, "kind", &kind_at, err);
	if (r == 0)
		r = json_expect_string(&kind_at, &name, err);
	if (r == 0)
		r = json_require(at, "apiVersion", &version_at, err);
	if (r == 0)
		r = json_expect_string(&version_at, &version, err);
	if (r == 0)
		r = find_kind(name, version, &kind, err);
	if (r < 0)
		return r;
	return kube_object_read_kind(kind, true, at, ret, err);
}

struct kube_object *kube_object_refused_policy(const char *namespace, const char *name, const char *reason)
{
	size_t n = strlen(namespace) + 1, m = strlen(name) + 1, k = strlen(reason) + 1;
	struct kube_object *object = calloc(1, sizeof(*object) + n + m + k);

	if (!object)
		return NULL;
	char *text = (char *)(object + 1);
	object->kind = KUBE_NETWORK_POLICY;
	object->namespace = memcpy(text, namespace, n);
	object->name = memcpy(text + n, name, m);
	object->policy.invalid = memcpy(text + n + m, reason, k);
	object->uid = object->resource_version = empty;
	object->policy.isolates_ingress = object->policy.isolates_egress = true;
	return object;
}

void kube_object_free(struct kube_object *object)
{
	free(object);
}
