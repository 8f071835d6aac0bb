// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdlib.h>

#include "common/kube/limits.h"
#include "common/proto/message.h"
#include "common/proto/pods.pb-c.h"
#include "device-plugin/plugin/identity_internal.h"

#define USUAL_SERVICE_ACCOUNT "default" /* of a static pod, which the API server has not filled in */

/* ── From kubelet ── */

static int compare_keys(const void *a, const void *b)
{
	const struct kube_label *left = a, *right = b;

	return strcmp(left->key, right->key);
}

static int take_labels(struct pod_facts *pod, const CoreV1__ObjectMeta *metadata, struct error *err)
{
	const size_t n = metadata->n_labels;
	struct kube_label *labels = calloc(n + 1, sizeof(*labels));

	if (!labels)
		return error_nomem(err);
	pod->labels = pod->own_labels = labels;
	pod->n_labels = n;
	for (size_t i = 0; i < n; i++)
		labels[i] = (struct kube_label){ metadata->labels[i]->key, metadata->labels[i]->value };
	qsort(labels, n, sizeof(*labels), compare_keys);
	for (size_t i = 1; i < n; i++) {
		if (strcmp(labels[i - 1].key, labels[i].key) == 0)
			return error_set(err, EINVAL, "the pod has label \"%s\" twice", labels[i].key);
	}
	return 0;
}

/* As in the store: one that is too long is as good as none. */
static const char *find_secrets(const CoreV1__ObjectMeta *metadata)
{
	for (size_t i = 0; i < metadata->n_annotations; i++) {
		const CoreV1__StringEntry *entry = metadata->annotations[i];
		if (strcmp(entry->key, KUBE_SECRETS) == 0)
			return strlen(entry->value) <= KUBE_SECRETS_MAX ? entry->value : NULL;
	}
	return NULL;
}

static int take_message(struct pod_facts *pod, const char *uid, struct error *err)
{
	const CoreV1__ObjectMeta *metadata = pod->message->metadata;
	const CoreV1__PodSpec *spec = pod->message->spec;
	const CoreV1__PodStatus *status = pod->message->status;

	if (!metadata || !*metadata->name || !*metadata->namespace_)
		return error_set(err, EINVAL, "the pod has no name");
	if (strcmp(metadata->uid, uid) != 0)
		return error_set(err, EINVAL, "the pod has UID \"%s\", and \"%s\" was asked for", metadata->uid, uid);
	pod->source = "kubelet's Pods API";
	pod->namespace = metadata->namespace_;
	pod->name = metadata->name;
	pod->uid = metadata->uid;
	pod->service_account = spec && *spec->service_account_name ? spec->service_account_name : USUAL_SERVICE_ACCOUNT;
	pod->secrets = find_secrets(metadata);
	pod->phase = status ? kube_phase_of(status->phase) : KUBE_PHASE_UNKNOWN;
	return take_labels(pod, metadata, err);
}

int pod_of_answer(struct slice answer, const char *uid, struct pod_facts *ret, struct error *err)
{
	_cleanup_(message_freep) Pods__GetResponse *response = NULL;
	_cleanup_(pod_facts_clear) struct pod_facts pod = {};

	int r = message_read(&pods__get_response__descriptor, answer, &response, err);
	if (r == 0)
		r = message_read(&core_v1__pod__descriptor, slice_from(response->pod.data, response->pod.len), &pod.message, err);
	if (r == 0)
		r = take_message(&pod, uid, err);
	if (r < 0)
		return error_wrap(err, "kubelet's Pods API");
	*ret = pod;
	pod = (struct pod_facts){};
	return 0;
}

void pod_facts_clear(struct pod_facts *pod)
{
	message_freep(&pod->message);
	free(pod->own_labels);
	*pod = (struct pod_facts){};
}

/* ── From the store ── */

struct pod_facts pod_of_object(const struct kube_object *object, const char *uid)
{
	return (struct pod_facts){
		.source = "the store",
		.namespace = object->namespace,
		.name = object->name,
		.uid = uid,
		.service_account = object->pod.service_account,
		.secrets = object->pod.secrets,
		.labels = object->labels.items,
		.n_labels = object->labels.n,
		.phase = object->pod.phase,
	};
}

struct by_uid {
	const char *uid;
	const struct kube_object *own, *mirror;
	unsigned n_mirrors;
};

static int match_uid(void *context, const struct kube_object *object)
{
	struct by_uid *search = context;

	if (strcmp(object->uid, search->uid) == 0) {
		search->own = object;
		return 1;
	}
	if (object->pod.config_hash && strcmp(object->pod.config_hash, search->uid) == 0) {
		search->mirror = object;
		search->n_mirrors++;
	}
	return 0;
}

const struct kube_object *pod_in_store(const struct kube_store *store, const char *uid)
{
	struct by_uid search = { .uid = uid };

	if (kube_store_each(store, KUBE_POD, match_uid, &search) == 1)
		return search.own;
	/* Anybody may write the annotation on a pod of his, so it must be the only one. */
	return search.n_mirrors == 1 ? search.mirror : NULL;
}

/* ── What is handed out ── */

static bool copy(struct arena *arena, const char **ret, const char *text)
{
	*ret = text ? arena_string(arena, text) : NULL;
	return *ret || !text;
}

static bool copy_labels(struct identity *identity, const struct pod_facts *pod)
{
	struct kube_labels *labels = &identity->labels;

	if (pod->n_labels == 0)
		return true;
	labels->items = ARENA_ARRAY(&identity->arena, struct kube_label, pod->n_labels);
	if (!labels->items)
		return false;
	for (; labels->n < pod->n_labels; labels->n++) {
		const struct kube_label *label = &pod->labels[labels->n];
		struct kube_label *own = &labels->items[labels->n];
		own->key = arena_string(&identity->arena, label->key);
		own->value = arena_string(&identity->arena, label->value);
		if (!own->key || !own->value)
			return false;
	}
	return true;
}

static bool copy_all(struct identity *identity, const struct pod_facts *pod, const char *container)
{
	struct arena *arena = &identity->arena;

	return copy(arena, &identity->namespace, pod->namespace) && copy(arena, &identity->name, pod->name) &&
	       copy(arena, &identity->uid, pod->uid) && copy(arena, &identity->container, container) &&
	       copy(arena, &identity->service_account, pod->service_account) && copy(arena, &identity->secrets, pod->secrets) &&
	       copy_labels(identity, pod);
}

int identity_of(const struct pod_facts *pod, const char *container, struct identity **ret, struct error *err)
{
	_cleanup_(identity_freep) struct identity *identity = calloc(1, sizeof(*identity));

	if (!identity || !copy_all(identity, pod, container))
		return error_nomem(err);
	*ret = TAKE_PTR(identity);
	return 0;
}

void identity_free(struct identity *identity)
{
	if (!identity)
		return;
	arena_clear(&identity->arena);
	free(identity);
}
