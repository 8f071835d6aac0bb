// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_KUBE_DIRECTORY_INTERNAL_H
#define HOLDFAST_KUBE_DIRECTORY_INTERNAL_H

#include <dirent.h>
#include <sys/types.h>
#include <time.h>

#include "common/kube/claims.h"
#include "common/kube/directory.h"

/* Between directory.c (what the files mean for the store) and directory_files.c (the files themselves). */
struct signature {
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec modified, changed;
};

struct file {
	char *name;
	struct signature signature; /* of what was last read, well or not */
	bool dirty, broken, lost, seen;
	bool guesses;          /* its claims are what it may hold, directory_orphans.c */
	struct claim **claims; /* what it holds in the store */
	size_t n_claims;
};

struct directory {
	char *path, *node; /* node: NULL if all are wanted */
	struct kube_store *store;
	struct refusals *refusals;
	struct file **files; /* sorted by name */
	size_t n_files, capacity;
	dev_t device;
	ino_t inode;
	struct claim *claims; /* of this scan; a table of the claims that the files hold */
	bool scanned;         /* to the end, at least once */
	struct directory_state state;
};

void file_forget_claims(struct file *file);
void file_free(struct file *file);
bool file_has_suffix(const char *name, const char *suffix);

/* `*ret_fd` is the caller's. */
int file_open(int directory_fd, const char *name, int *ret_fd, struct signature *signature, struct error *err) must_check;
bool signature_equals(const struct signature *a, const struct signature *b);

/* Adds the files that are new, marks those that are there as seen. */
int directory_list_files(struct directory *directory, DIR *stream, struct error *err) must_check;
bool directory_any_file_seen(const struct directory *directory);
void directory_forget_gone_files(struct directory *directory);

/* directory_orphans.c: what the store knew before the first scan. */
bool directory_has_orphans(const struct directory *directory);
int directory_claim_orphans(struct directory *directory, struct error *err) must_check;

#endif
