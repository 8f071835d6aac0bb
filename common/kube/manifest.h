// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_KUBE_MANIFEST_H
#define HOLDFAST_KUBE_MANIFEST_H

#include "common/base/slice.h"
#include "common/kube/objects.h"

/* The objects in the text of one manifest file: all of them, or an error that names the line. Pure. */

#define MANIFEST_BYTES_MAX (4 * 1024 * 1024)
#define MANIFEST_OBJECTS_MAX 20000 /* in one file: the pods of a large cluster as one List */

struct manifest_item {
	struct kube_object *object;
	unsigned line; /* on which its document begins */
};

struct manifest {
	struct manifest_item *items;
	size_t n, capacity;
	size_t n_skipped;        /* objects of kinds that Holdfast does not read */
	char first_skipped[256]; /* why, for the first of them; "" if none */
};

/*
 * `is_json`: one JSON document; else YAML, with any number of documents. Lists (kind List, PodList, …) are taken apart. A
 * NetworkPolicy with a bad spec is an item like any other, with policy.invalid set. EINVAL, E2BIG, ENOMEM.
 */
int manifest_read(struct slice text, bool is_json, struct manifest *ret, struct error *err) must_check;

void manifest_clear(struct manifest *manifest);

#endif
