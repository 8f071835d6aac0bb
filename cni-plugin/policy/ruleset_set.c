// SPDX-License-Identifier: Apache-2.0
/*
 * Sets and verdict maps: packed, sorted elements, and beside them what the kernel lacks (added) and has too much (removed).
 * An element that goes and comes back before a transaction leaves no trace in a set. In a map it stays in both
 * lists, because the target that the kernel has is not remembered: deleting and adding it again in one transaction is harmless.
 */
#include "cni-plugin/policy/ruleset_internal.h"
#include "common/base/array.h"

#include <errno.h>
#include <string.h>

size_t ruleset_key_size(enum ruleset_key key)
{
	switch (key) {
	case RULESET_KEY_IPV4:
		return 4;
	case RULESET_KEY_IPV6:
		return 16;
	case RULESET_KEY_IPV4_PORT:
		return 12;
	case RULESET_KEY_IPV6_PORT:
		return 24;
	case RULESET_KEY_PORT:
		return 2;
	case RULESET_KEY_IIF_MAC:
		return 4 + 8;
	case RULESET_KEY_IIF_IPV4:
		return 4 + 4;
	case RULESET_KEY_IIF_IPV6:
		return 4 + 16;
	case RULESET_KEY_COUNT:
		break;
	}
	return 0;
}

bool elements_find(const struct ruleset_elements *elements, size_t stride, const void *element, size_t *ret_position)
{
	return array_search(elements->bytes, elements->n, stride, element, memcmp, ret_position);
}

bool elements_reserve(struct ruleset_elements *elements, size_t stride, size_t n)
{
	size_t capacity = elements->capacity + elements->capacity / 2;

	if (n <= elements->capacity)
		return true;
	if (capacity < n)
		capacity = n;
	uint8_t *bytes = realloc(elements->bytes, capacity * stride);
	if (!bytes)
		return false;
	elements->bytes = bytes;
	elements->capacity = capacity;
	return true;
}

void elements_insert(struct ruleset_elements *elements, size_t stride, size_t position, const void *element)
{
	uint8_t *at = elements->bytes + position * stride;

	memmove(at + stride, at, (elements->n - position) * stride);
	memcpy(at, element, stride);
	elements->n++;
}

void elements_remove(struct ruleset_elements *elements, size_t stride, size_t position)
{
	uint8_t *at = elements->bytes + position * stride;

	elements->n--;
	memmove(at, at + stride, (elements->n - position) * stride);
}

bool elements_put(struct ruleset_elements *elements, size_t stride, const void *element)
{
	size_t at;

	if (elements_find(elements, stride, element, &at))
		return true;
	if (!elements_reserve(elements, stride, elements->n + 1))
		return false;
	elements_insert(elements, stride, at, element);
	return true;
}

bool elements_drop(struct ruleset_elements *elements, size_t stride, const void *element)
{
	size_t at;

	if (!elements_find(elements, stride, element, &at))
		return false;
	elements_remove(elements, stride, at);
	return true;
}

void elements_free(struct ruleset_elements *elements)
{
	free(elements->bytes);
	*elements = (struct ruleset_elements){};
}

void ruleset_set_free(struct ruleset_set *set)
{
	if (!set)
		return;
	for (size_t i = 0; set->map && i < set->elements.n; i++)
		free(set->targets[i]);
	free(set->targets);
	elements_free(&set->elements);
	elements_free(&set->added);
	elements_free(&set->removed);
	free(set->comment);
	free(set->name);
	free(set);
}
DEFINE_CLEANUP(struct ruleset_set *, ruleset_set_free);

/* What the kernel has of a doomed set becomes what it has too much of an empty one. */
static int set_revive(struct ruleset_set *set, struct error *err)
{
	for (size_t i = 0; i < set->elements.n; i++) {
		const uint8_t *element = elements_at(&set->elements, set->stride, i);
		size_t at;

		if (elements_find(&set->added, set->stride, element, &at))
			continue;
		if (!elements_put(&set->removed, set->stride, element))
			return error_nomem(err);
	}
	for (size_t i = 0; set->map && i < set->elements.n; i++)
		free(set->targets[i]);
	set->elements.n = 0;
	set->added.n = 0;
	set->state = RULESET_SAME;
	return 0;
}

static struct ruleset_set *set_new(struct ruleset *ruleset, const char *name, const char *comment)
{
	_cleanup_(ruleset_set_freep) struct ruleset_set *set = calloc(1, sizeof(*set));

	if (!set)
		return NULL;
	set->ruleset = ruleset;
	set->name = strdup(name);
	set->comment = strndup(comment, RULESET_COMMENT_MAX);
	return set->name && set->comment ? TAKE_PTR(set) : NULL;
}

int ruleset_set_add(struct ruleset *ruleset, const char *name, enum ruleset_key key, bool interval, bool map, const char *comment,
		    struct ruleset_set **ret, struct error *err)
{
	size_t at;
	int r = ruleset_check_name(name, err);

	if (r < 0)
		return r;
	if (named_find(&ruleset->sets, name, &at)) {
		struct ruleset_set *old = ruleset->sets.items[at];

		if (old->key != key || old->interval != interval || old->map != map)
			return error_set(err, EINVAL, "set \"%s\" is already there with another type", name);
		if (old->state == RULESET_DOOMED && set_revive(old, err) < 0)
			return -ENOMEM;
		*ret = old;
		return 0;
	}
	if (!named_reserve(&ruleset->sets, ruleset->sets.n + 1) || !named_reserve(&ruleset->pending_sets, ruleset->sets.n + 1))
		return error_nomem(err);
	struct ruleset_set *set = set_new(ruleset, name, comment);
	if (!set)
		return error_nomem(err);
	set->key = key;
	set->interval = interval;
	set->map = map;
	set->stride = ruleset_key_size(key) * (interval ? 2 : 1);
	named_insert(&ruleset->sets, at, set);
	ruleset_mark_set(set);
	*ret = set;
	return 0;
}

struct ruleset_set *ruleset_set_find(const struct ruleset *ruleset, const char *name)
{
	struct ruleset_set *set = named_get(&ruleset->sets, name);

	return set && set->state != RULESET_DOOMED ? set : NULL;
}

void ruleset_set_remove(struct ruleset *ruleset, const char *name)
{
	struct ruleset_set *set = ruleset_set_find(ruleset, name);

	if (!set)
		return;
	if (set->state == RULESET_NEW) {
		named_remove(&ruleset->pending_sets, name);
		named_remove(&ruleset->sets, name);
		ruleset_set_free(set);
		return;
	}
	set->state = RULESET_DOOMED;
	ruleset_mark_set(set);
}

ptrdiff_t ruleset_element_find(const struct ruleset_set *set, const void *element)
{
	size_t at;

	return elements_find(&set->elements, set->stride, element, &at) ? (ptrdiff_t)at : -1;
}

static bool targets_reserve(struct ruleset_set *set)
{
	return !set->map || array_room((void **)&set->targets, set->elements.n, &set->targets_capacity, sizeof(*set->targets));
}

/* Another chain for an element of a map: the kernel must lose the old one, if it has it, and get the new one. */
static int element_retarget(struct ruleset_set *set, size_t at, const char *target, struct error *err)
{
	const uint8_t *element = elements_at(&set->elements, set->stride, at);
	size_t unused;

	if (strcmp(set->targets[at], target) == 0)
		return 0;
	char *copy = strdup(target);
	if (!copy)
		return error_nomem(err);
	free(set->targets[at]);
	set->targets[at] = copy;
	ruleset_mark_set(set);
	if (set->state != RULESET_SAME || elements_find(&set->added, set->stride, element, &unused))
		return 0;
	if (!elements_put(&set->added, set->stride, element) || !elements_put(&set->removed, set->stride, element))
		return error_nomem(err);
	return 0;
}

static bool note_added(struct ruleset_set *set, const void *element)
{
	ruleset_mark_set(set);
	if (set->state != RULESET_SAME)
		return true;
	if (!set->map && elements_drop(&set->removed, set->stride, element))
		return true;
	return elements_put(&set->added, set->stride, element);
}

int ruleset_element_add(struct ruleset_set *set, const void *element, const char *target, struct error *err)
{
	_cleanup_free_ char *copy = NULL;
	size_t at;

	if (set->map != (target != NULL))
		return error_set(err, EINVAL, "set \"%s\": only elements of maps have a target, and all of them do", set->name);
	if (elements_find(&set->elements, set->stride, element, &at))
		return set->map ? element_retarget(set, at, target, err) : 0;
	if (target && !(copy = strdup(target)))
		return error_nomem(err);
	if (!targets_reserve(set) || !elements_reserve(&set->elements, set->stride, set->elements.n + 1) || !note_added(set, element))
		return error_nomem(err);
	if (set->map) {
		memmove(set->targets + at + 1, set->targets + at, (set->elements.n - at) * sizeof(*set->targets));
		set->targets[at] = TAKE_PTR(copy);
	}
	elements_insert(&set->elements, set->stride, at, element);
	return 0;
}

int ruleset_element_remove(struct ruleset_set *set, const void *element, struct error *err)
{
	size_t at;

	if (!elements_find(&set->elements, set->stride, element, &at))
		return 0;
	ruleset_mark_set(set);
	if (set->state == RULESET_SAME && !elements_drop(&set->added, set->stride, element) &&
	    !elements_put(&set->removed, set->stride, element))
		return error_nomem(err);
	elements_remove(&set->elements, set->stride, at);
	if (set->map) {
		free(set->targets[at]);
		memmove(set->targets + at, set->targets + at + 1, (set->elements.n - at) * sizeof(*set->targets));
	}
	return 0;
}
