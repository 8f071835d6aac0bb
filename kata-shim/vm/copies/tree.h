// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_VM_COPIES_TREE_H
#define HOLDFAST_VM_COPIES_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "common/base/error.h"

/* What is in a directory, without the content of its files. Sorted by path, so that a directory is before all that is in it. */
struct entry {
	char *path;   /* from the directory: "a/b"; "" is the directory itself, or the file */
	char *target; /* of a link; else NULL */
	mode_t mode;  /* with its type */
	uid_t uid;
	gid_t gid;
	off_t size; /* of a file; else 0 */
	ino_t inode;
	struct timespec modified, changed;
};

struct tree {
	struct entry *items;
	size_t n, capacity;
};

void tree_clear(struct tree *tree);
/* A copy of `entry` in the place of what has its path. ENOMEM: the tree is as it was. */
int tree_put(struct tree *tree, const struct entry *entry, struct error *err) must_check;
/* NULL: there is none. */
const struct entry *tree_find(const struct tree *tree, const char *path);
void tree_remove(struct tree *tree, const char *path);

/* Neither what is in it nor what it looks like has changed. For a directory: what it looks like. */
bool entry_equals(const struct entry *a, const struct entry *b);

#define TREE_LIVE "..data"

/*
 * What readers of `host` can see, a directory or a regular file: of the names that begin with ".." only `..data` and where it leads.
 * EAGAIN: it was being replaced. E2BIG, EOPNOTSUPP, ENOENT and others: see copies.h.
 */
int tree_scan(const char *host, struct tree *ret, struct error *err) must_check;

/* The file `path` of it for reading; no link is followed below `host`. */
int tree_open(const char *host, const char *path, int *ret, struct error *err) must_check;

#endif
