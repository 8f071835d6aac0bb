// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_KUBE_STORE_H
#define HOLDFAST_KUBE_STORE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/cleanup.h"
#include "common/kube/objects.h"

/*
 * The objects that a source has delivered, by kind, namespace and name. A source feeds it; the owner hears of every real
 * change once. A source that lists anew brackets the list with _begin and _end: what was not seen in
 * between is removed at _end, and until then the old objects stay valid.
 */
struct kube_store;

struct kube_store_observer {
	/*
	 * `before` NULL: added; `after` NULL: removed; both: changed (never called for equal objects). Both belong to the
	 * store; `before` is freed when the call returns. Namespaces and pods come in any order.
	 */
	void (*changed)(void *context, const struct kube_object *before, const struct kube_object *after);
	/* Every kind that the store follows, but for optional ones, has been listed once. Called once; see kube_store_list_again. */
	void (*synced)(void *context);
	void *context;
};

/* Beside a store's kinds: of pods, service account and secrets are kept too. Who knows every pod of a cluster does without. */
#define KUBE_POD_IDENTITIES (1u << 31)

/* `kinds` is a bit set: 1u << KUBE_POD | … . NULL if out of memory. */
struct kube_store *kube_store_new(unsigned kinds, const struct kube_store_observer *observer) must_check;
void kube_store_free(struct kube_store *store);
DEFINE_CLEANUP(struct kube_store *, kube_store_free);

/*
 * Takes ownership of `object`, always; it must come from kube_object_read. An equal object (kube_object_equals) changes nothing: the old
 * one stays, with its resource version. Kinds that the store does not follow are ignored. -ENOMEM: the old object stays.
 */
int kube_store_put(struct kube_store *store, struct kube_object *object, struct error *err) must_check;
void kube_store_remove(struct kube_store *store, enum kube_kind kind, const char *namespace, const char *name);

/* Counts the object as seen in this round of _begin and _end without changing it: one that cannot be read now. False if absent. */
bool kube_store_keep(struct kube_store *store, enum kube_kind kind, const char *namespace, const char *name);

/* A second _begin before _end starts the round again. An _end without _begin does nothing. */
void kube_store_begin(struct kube_store *store, enum kube_kind kind);
void kube_store_end(struct kube_store *store, enum kube_kind kind);

/*
 * Whoever has the objects does not know the kind: `synced` does not wait for it until it is listed after all. What is there stays, since a
 * definition that is missing for a moment must not remove anything.
 */
void kube_store_excuse(struct kube_store *store, enum kube_kind kind);

/* What is there stays, but counts as not listed: `synced` is called once more, when every kind has been listed anew. */
void kube_store_list_again(struct kube_store *store);

bool kube_store_follows(const struct kube_store *store, enum kube_kind kind);
bool kube_store_keeps_identities(const struct kube_store *store);
bool kube_store_listed(const struct kube_store *store, enum kube_kind kind); /* to its end, at least once */
bool kube_store_synced(const struct kube_store *store);
size_t kube_store_count(const struct kube_store *store, enum kube_kind kind);

/* NULL if absent. Valid until the object changes. */
const struct kube_object *kube_store_get(const struct kube_store *store, enum kube_kind kind, const char *namespace, const char *name);

/* Calls `visit` for each object of the kind, in no particular order, until it returns non-zero; returns that. */
int kube_store_each(const struct kube_store *store, enum kube_kind kind, int (*visit)(void *context, const struct kube_object *object),
		    void *context);

/*
 * A walk over the objects of a kind that the store's changes do not disturb: what is there all the time is met once, what comes, goes or
 * is replaced meanwhile may be met or not. One walk at a time. _next gives NULL at the end; the object is valid until it changes.
 */
void kube_store_walk(struct kube_store *store, enum kube_kind kind);
const struct kube_object *kube_store_walk_next(struct kube_store *store);

#endif
