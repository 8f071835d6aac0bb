// SPDX-License-Identifier: Apache-2.0
/*
 * One hash table per kind. The key is "namespace NUL name NUL", which every object holds in one piece (object.c), so an entry
 * points into its object and needs no copy. A list is a new round: what it does not see keeps the number of an older round
 * and goes at the end.
 */
#include "common/kube/store.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/kube/hash.h"
#include "common/kube/syntax.h"

struct entry {
	struct kube_object *object;
	uint32_t round;
	bool refused; /* the hash table had no memory for it */
	UT_hash_handle hh;
};

struct table {
	struct entry *entries;
	uint32_t round;
	bool follows, listing, listed, excused;
};

struct kube_store {
	struct table tables[KUBE_KIND_COUNT];
	struct kube_store_observer observer;
	struct entry *walk; /* what the walk meets next; NULL: it is over */
	bool keeps_identities, synced;
};

#define KEY_MAX (64 + KUBE_NAME_MAX + 1) /* namespace and name, each with its NUL */

static size_t key_size(const struct kube_object *object)
{
	return (size_t)(object->name - object->namespace) + strlen(object->name) + 1;
}

static struct entry *find(const struct table *table, const char *namespace, const char *name)
{
	size_t n = strlen(namespace) + 1, m = strlen(name) + 1;
	struct entry *entry = NULL;
	char key[KEY_MAX];

	if (n + m > sizeof(key))
		return NULL;
	memcpy(key, namespace, n);
	memcpy(key + n, name, m);
	HASH_FIND(hh, table->entries, key, n + m, entry);
	return entry;
}

struct kube_store *kube_store_new(unsigned kinds, const struct kube_store_observer *observer)
{
	struct kube_store *store = calloc(1, sizeof(*store));

	if (!store)
		return NULL;
	for (size_t i = 0; i < KUBE_KIND_COUNT; i++)
		store->tables[i].follows = kinds & (1u << i);
	store->keeps_identities = kinds & KUBE_POD_IDENTITIES;
	store->observer = *observer;
	return store;
}

void kube_store_free(struct kube_store *store)
{
	struct entry *entry, *next;

	if (!store)
		return;
	for (size_t i = 0; i < KUBE_KIND_COUNT; i++) {
		HASH_ITER(hh, store->tables[i].entries, entry, next) {
			HASH_DELETE(hh, store->tables[i].entries, entry);
			kube_object_free(entry->object);
			free(entry);
		}
	}
	free(store);
}

static void tell(struct kube_store *store, const struct kube_object *before, const struct kube_object *after)
{
	if (store->observer.changed)
		store->observer.changed(store->observer.context, before, after);
}

static int add(struct kube_store *store, struct table *table, struct kube_object *object, struct error *err)
{
	struct entry *entry = calloc(1, sizeof(*entry));

	if (!entry)
		return error_nomem(err);
	entry->object = object;
	entry->round = table->round;
	HASH_ADD_KEYPTR(hh, table->entries, object->namespace, (unsigned)key_size(object), entry);
	if (entry->refused) {
		free(entry);
		return error_nomem(err);
	}
	tell(store, NULL, object);
	return 0;
}

static void replace(struct kube_store *store, struct entry *entry, struct kube_object *object)
{
	struct kube_object *before = entry->object;

	/* The observer may keep pointers to `before` until it hears of a change, so an equal one must not take its place. */
	if (kube_object_equals(before, object)) {
		kube_object_free(object);
		return;
	}
	entry->object = object;
	entry->hh.key = object->namespace;
	tell(store, before, object);
	kube_object_free(before);
}

int kube_store_put(struct kube_store *store, struct kube_object *object, struct error *err)
{
	_cleanup_(kube_object_freep) struct kube_object *owned = object;
	struct table *table = &store->tables[object->kind];

	if (!table->follows)
		return 0;
	if (object->kind == KUBE_POD && !store->keeps_identities)
		object->pod.service_account = object->pod.secrets = NULL;
	struct entry *entry = find(table, object->namespace, object->name);
	if (!entry) {
		int r = add(store, table, owned, err);
		if (r == 0)
			(void)TAKE_PTR(owned);
		return r;
	}
	entry->round = table->round;
	replace(store, entry, TAKE_PTR(owned));
	return 0;
}

static void drop(struct kube_store *store, struct table *table, struct entry *entry)
{
	if (store->walk == entry)
		store->walk = entry->hh.next;
	HASH_DELETE(hh, table->entries, entry);
	tell(store, entry->object, NULL);
	kube_object_free(entry->object);
	free(entry);
}

void kube_store_remove(struct kube_store *store, enum kube_kind kind, const char *namespace, const char *name)
{
	struct table *table = &store->tables[kind];
	struct entry *entry = find(table, namespace, name);

	if (entry)
		drop(store, table, entry);
}

bool kube_store_keep(struct kube_store *store, enum kube_kind kind, const char *namespace, const char *name)
{
	struct table *table = &store->tables[kind];
	struct entry *entry = find(table, namespace, name);

	if (entry)
		entry->round = table->round;
	return entry != NULL;
}

void kube_store_begin(struct kube_store *store, enum kube_kind kind)
{
	store->tables[kind].round++;
	store->tables[kind].listing = true;
	store->tables[kind].excused = false;
}

static bool everything_listed(const struct kube_store *store)
{
	for (size_t i = 0; i < KUBE_KIND_COUNT; i++) {
		const struct table *table = &store->tables[i];
		if (table->follows && !table->listed && !table->excused && !kube_kind_is_optional((enum kube_kind)i))
			return false;
	}
	return true;
}

static void tell_if_synced(struct kube_store *store)
{
	if (store->synced || !everything_listed(store))
		return;
	store->synced = true;
	if (store->observer.synced)
		store->observer.synced(store->observer.context);
}

void kube_store_excuse(struct kube_store *store, enum kube_kind kind)
{
	store->tables[kind].excused = true;
	tell_if_synced(store);
}

void kube_store_end(struct kube_store *store, enum kube_kind kind)
{
	struct table *table = &store->tables[kind];
	struct entry *entry, *next;

	if (!table->listing)
		return;
	HASH_ITER(hh, table->entries, entry, next) {
		if (entry->round != table->round)
			drop(store, table, entry);
	}
	table->listing = false;
	table->listed = true;
	tell_if_synced(store);
}

void kube_store_list_again(struct kube_store *store)
{
	for (size_t i = 0; i < KUBE_KIND_COUNT; i++)
		store->tables[i].listed = store->tables[i].excused = false;
	store->synced = false;
}

bool kube_store_follows(const struct kube_store *store, enum kube_kind kind)
{
	return store->tables[kind].follows;
}

bool kube_store_keeps_identities(const struct kube_store *store)
{
	return store->keeps_identities;
}

bool kube_store_listed(const struct kube_store *store, enum kube_kind kind)
{
	return store->tables[kind].listed;
}

bool kube_store_synced(const struct kube_store *store)
{
	return store->synced;
}

size_t kube_store_count(const struct kube_store *store, enum kube_kind kind)
{
	return HASH_COUNT(store->tables[kind].entries);
}

const struct kube_object *kube_store_get(const struct kube_store *store, enum kube_kind kind, const char *namespace, const char *name)
{
	const struct entry *entry = find(&store->tables[kind], namespace, name);

	return entry ? entry->object : NULL;
}

int kube_store_each(const struct kube_store *store, enum kube_kind kind, int (*visit)(void *context, const struct kube_object *object),
		    void *context)
{
	struct entry *entry, *next;

	HASH_ITER(hh, store->tables[kind].entries, entry, next) {
		int r = visit(context, entry->object);
		if (r != 0)
			return r;
	}
	return 0;
}

void kube_store_walk(struct kube_store *store, enum kube_kind kind)
{
	store->walk = store->tables[kind].entries;
}

const struct kube_object *kube_store_walk_next(struct kube_store *store)
{
	struct entry *entry = store->walk;

	if (!entry)
		return NULL;
	store->walk = entry->hh.next;
	return entry->object;
}
