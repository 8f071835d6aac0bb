// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_KUBE_DIRECTORY_H
#define HOLDFAST_KUBE_DIRECTORY_H

#include "common/kube/source_internal.h"

/* The files of a directory of manifests and what each of them holds in the store. Reads when it is told to; no loop, no inotify. */
struct directory;

#define DIRECTORY_FILES_MAX 4096

struct directory_state {
	bool away;            /* it cannot be read, or has just become empty as if it were unmounted */
	struct error problem; /* why it is away, or the first broken file; code 0: none */
	size_t n_files, n_broken;
};

/* `node`: see kube_source_options. */
struct directory *directory_new(const char *path, const char *node, struct kube_store *store, struct refusals *refusals) must_check;
void directory_free(struct directory *directory);

/* The file has changed, whatever its times say; NULL: every file may have. */
void directory_touch(struct directory *directory, const char *name);

/*
 * Brings the store up to date. While the directory is away everything stays as it is. -ENOMEM: the store is in the middle of a
 * round, and the next call goes on from there.
 */
int directory_scan(struct directory *directory, struct error *err) must_check;

const struct directory_state *directory_state(const struct directory *directory);

#endif
