// SPDX-License-Identifier: Apache-2.0
/*
 * A store may know objects before the first scan: those of a snapshot. What no file claims then has been removed, unless there is a file
 * that cannot be read: nobody knows what it holds, and its last good version may be among them. So every such file claims them all, and
 * they stay until it can be read, or is removed.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/kube/directory_internal.h"

static size_t count_objects(const struct kube_store *store)
{
	size_t n = 0;

	for (enum kube_kind kind = 0; kind < KUBE_KIND_COUNT; kind++)
		n += kube_store_count(store, kind);
	return n;
}

bool directory_has_orphans(const struct directory *directory)
{
	return !directory->scanned && count_objects(directory->store) > 0;
}

struct claiming {
	struct directory *directory;
	struct file *file;
	struct error *err;
};

static bool is_claimed_by_guess(const struct directory *directory, const struct claim *claim)
{
	for (size_t i = 0; i < directory->n_files; i++) {
		if (directory->files[i]->name == claim->file)
			return directory->files[i]->guesses;
	}
	return false;
}

static int claim_if_orphan(void *context, const struct kube_object *object)
{
	struct claiming *claiming = context;
	struct file *file = claiming->file;
	struct claim *claim = claim_new(object, file->name), *first;

	if (!claim)
		return error_nomem(claiming->err);
	int r = claims_add(&claiming->directory->claims, claim, &first, claiming->err);
	if (r < 0 || (first != claim && !is_claimed_by_guess(claiming->directory, first))) {
		free(claim);
		return r;
	}
	file->claims[file->n_claims++] = claim;
	file->lost |= first != claim;
	kube_store_keep(claiming->directory->store, claim->kind, claim->namespace, claim->name);
	return 0;
}

static int claim_all(struct directory *directory, struct file *file, struct error *err)
{
	struct claiming claiming = { directory, file, err };
	int r = 0;

	file->claims = calloc(count_objects(directory->store) + 1, sizeof(struct claim *));
	if (!file->claims)
		return error_nomem(err);
	file->guesses = true;
	for (enum kube_kind kind = 0; kind < KUBE_KIND_COUNT && r == 0; kind++)
		r = kube_store_each(directory->store, kind, claim_if_orphan, &claiming);
	if (r < 0) { /* the next scan claims them again */
		claims_clear(&directory->claims);
		file_forget_claims(file);
	}
	return r;
}

int directory_claim_orphans(struct directory *directory, struct error *err)
{
	for (size_t i = 0; i < directory->n_files; i++) {
		struct file *file = directory->files[i];
		int r = file->broken && !file->claims ? claim_all(directory, file, err) : 0;
		if (r < 0)
			return r;
	}
	return 0;
}
