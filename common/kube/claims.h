// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_KUBE_CLAIMS_H
#define HOLDFAST_KUBE_CLAIMS_H

#include "common/kube/hash.h"
#include "common/kube/objects.h"

/* Which file of a directory has which object, during one scan. */
struct claim {
	enum kube_kind kind;
	const char *namespace, *name; /* the claim's own */
	const char *file;             /* outlives the claim */
	bool refused;                 /* the hash table had no memory for it */
	size_t key_size;
	UT_hash_handle hh;
	char key[]; /* kind, namespace NUL name NUL */
};

/* The caller's, to be freed with free() when no table holds it. NULL if out of memory. */
struct claim *claim_new(const struct kube_object *object, const char *file) must_check;

/*
 * Puts the claim into the table, unless there is one for the same object already; `*ret_first` is the one that is in the table then.
 * -ENOMEM.
 */
int claims_add(struct claim **table, struct claim *claim, struct claim **ret_first, struct error *err) must_check;

/* Empties the table; the claims stay. */
void claims_clear(struct claim **table);

#endif
