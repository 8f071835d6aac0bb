// SPDX-License-Identifier: Apache-2.0
#include "common/kube/claims.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct claim *claim_new(const struct kube_object *object, const char *file)
{
	size_t n = strlen(object->namespace) + 1, m = strlen(object->name) + 1;
	struct claim *claim = calloc(1, sizeof(*claim) + 1 + n + m);

	if (!claim)
		return NULL;
	claim->key[0] = (char)object->kind;
	claim->namespace = memcpy(claim->key + 1, object->namespace, n);
	claim->name = memcpy(claim->key + 1 + n, object->name, m);
	claim->key_size = 1 + n + m;
	claim->kind = object->kind;
	claim->file = file;
	return claim;
}

int claims_add(struct claim **table, struct claim *claim, struct claim **ret_first, struct error *err)
{
	struct claim *first = NULL;

	HASH_FIND(hh, *table, claim->key, claim->key_size, first);
	if (first) {
		*ret_first = first;
		return 0;
	}
	claim->refused = false;
	HASH_ADD_KEYPTR(hh, *table, claim->key, (unsigned)claim->key_size, claim);
	if (claim->refused)
		return error_nomem(err);
	*ret_first = claim;
	return 0;
}

void claims_clear(struct claim **table)
{
	HASH_CLEAR(hh, *table);
}
