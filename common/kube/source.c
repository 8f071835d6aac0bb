// SPDX-License-Identifier: Apache-2.0
#include "common/kube/source.h"

#include <errno.h>
#include <stdarg.h>

#include "common/base/log.h"
#include "common/kube/api_event.h"
#include "common/kube/source_internal.h"

int kube_source_start(uv_loop_t *loop, const struct kube_source_options *options, struct kube_store *store, struct kube_source **ret,
		      struct error *err)
{
	bool has_api = options->kubeconfig || options->in_cluster || options->api_server;

	if (options->kubeconfig && options->in_cluster)
		return error_set(err, EINVAL, "kubeconfig and in-cluster credentials exclude each other: choose one");
	if (options->directory && has_api)
		return error_set(err, EINVAL, "a directory and an API server exclude each other: choose one");
	if (options->directory)
		return kube_source_directory_start(loop, options, &directory_tuning_default, store, ret, err);
	if (has_api)
		return kube_source_api_start(loop, options, &api_tuning_default, store, ret, err);
	return error_set(err, EINVAL, "no source of objects is given: kubeconfig, in-cluster credentials or a directory");
}

void kube_source_status(const struct kube_source *source, struct kube_source_status *ret)
{
	source->ops->status(source, ret);
}

void kube_source_stop(struct kube_source *source, void (*closed)(void *context), void *context)
{
	if (source)
		source->ops->stop(source, closed, context);
}

void kube_source_tell(struct kube_source *source, const struct kube_notice *notice)
{
	if (source->ops->tell)
		source->ops->tell(source, notice);
}

int kube_source_publish(struct kube_source *source, const struct kube_publication *what, struct error *err)
{
	if (!source->ops->publish)
		return error_set(err, ENOTSUP, "nothing can be published in a directory of manifests");
	return source->ops->publish(source, what, err);
}

void kube_source_publish_again(struct kube_source *source, const char *path)
{
	if (source->ops->publish_again)
		source->ops->publish_again(source, path);
}

static uint64_t hash_text(uint64_t hash, const char *text)
{
	/* FNV-1a with the NUL, so that "a", "bc" and "ab", "c" differ. */
	do
		hash = (hash ^ (uint8_t)*text) * 0x100000001b3;
	while (*text++);
	return hash;
}

static uint64_t hash_list(const char *text, va_list texts)
{
	uint64_t hash = 0xcbf29ce484222325;

	for (; text; text = va_arg(texts, const char *))
		hash = hash_text(hash, text);
	return hash;
}

uint64_t hash_texts(const char *first, ...)
{
	va_list texts;

	va_start(texts, first);
	uint64_t hash = hash_list(first, texts);
	va_end(texts);
	return hash;
}

bool reported_first_time(struct reported *reported, ...)
{
	va_list texts;

	va_start(texts, reported);
	uint64_t hash = hash_list(va_arg(texts, const char *), texts);
	va_end(texts);
	for (unsigned i = 0; i < REPORTED_MAX; i++) {
		if (reported->hashes[i] == hash)
			return false;
	}
	reported->hashes[reported->next++ % REPORTED_MAX] = hash;
	return true;
}

static void report(struct refusals *refusals, const char *where, enum kube_kind kind, const struct api_object *object, const char *reason,
		   const char *consequence)
{
	if (!reported_first_time(&refusals->reported, kube_kind_name(kind), object->namespace, object->name, object->version, reason, NULL))
		return;
	refusals->n++;
	log_warn("object refused", "kind", kube_kind_name(kind), "namespace", object->namespace, "name", object->name, "reason", reason,
		 "consequence", consequence, "source", where);
}

static int put_refused(struct kube_store *store, struct refusals *refusals, const char *where, enum kube_kind kind,
		       struct api_object *object, struct error *err)
{
	const char *reason = object->refused.message;

	if (kind != KUBE_NETWORK_POLICY || !object->name[0]) {
		bool kept = kube_store_keep(store, kind, object->namespace, object->name);
		report(refusals, where, kind, object, reason, kept ? "the last good version stays" : "it is ignored");
		return 0;
	}
	report(refusals, where, kind, object, reason, "its whole namespace is isolated");
	struct kube_object *policy = kube_object_refused_policy(object->namespace, object->name, reason);
	return policy ? kube_store_put(store, policy, err) : error_nomem(err);
}

int source_put(struct kube_store *store, struct refusals *refusals, const char *where, enum kube_kind kind, struct api_object *object,
	       struct error *err)
{
	struct kube_object *read = TAKE_PTR(object->object);

	if (!read)
		return put_refused(store, refusals, where, kind, object, err);
	if (kind == KUBE_NETWORK_POLICY && read->policy.invalid)
		report(refusals, where, kind, object, read->policy.invalid, "the pods that it selects are isolated");
	return kube_store_put(store, read, err);
}
