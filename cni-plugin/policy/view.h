// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_POLICY_VIEW_H
#define HOLDFAST_POLICY_VIEW_H

#include "cni-plugin/policy/engine.h"

/*
 * An engine's policies as they are, or as they would be: what a view names takes the place of what the engine has under that name. So a
 * change can be judged before it is made, without a second engine.
 */
struct policy_change {
	const char *namespace, *name;
	const struct kube_object *after; /* NULL: deleted */
};

struct policy_view {
	const struct policy_engine *engine;
	const struct policy_change *changes; /* sorted by policy_change_compare, each name once */
	size_t n_changes;
};

/* For qsort and bsearch: by namespace, then by name. */
int policy_change_compare(const void *a, const void *b);

/* Walks over the policies of one namespace in the order of their names. */
struct policy_walk {
	const struct policy_view *view;
	const char *namespace;
	size_t next, next_change;
};

struct policy_walk policy_walk_begin(const struct policy_view *view, const char *namespace);
const struct kube_object *policy_walk_next(struct policy_walk *walk); /* NULL at the end */

/* What the engine has under the name of a change; NULL if nothing. */
const struct kube_object *policy_change_before(const struct policy_engine *engine, const struct policy_change *change);

#endif
