// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_INSTALL_HOST_HOST_H
#define HOLDFAST_INSTALL_HOST_HOST_H

#include <limits.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "common/base/error.h"
#include "common/base/slice.h"

/*
 * The node's files and directories, seen from a container or from the node itself. `root`: where they stand for us, "" or "/host". Links
 * of the node, absolute ones too, lead to what they lead to on the node.
 *
 * Everything that changes a file does so in one step and is on the disk when it returns. What a power cut leaves half-made has a name of
 * its own, ".<name>" HOST_NEW, beside the file, and the next one of that name replaces it.
 */

#define HOST_NEW ".holdfast-new"

/* For tests, which cut the power there: called after each change that outlives a reboot. */
extern void (*host_stepped)(void);

/* The real path, for us, of something of the node that is there. ENOENT. */
int host_find(const char *root, const char *path, char ret[static PATH_MAX], struct error *err) must_check;

/* Of something that need not be there, in a directory that is. ENOENT: no such directory. */
int host_name(const char *root, const char *path, char ret[static PATH_MAX], struct error *err) must_check;

/* Of something that need not be there, and the directories above it need not: what is there of them is followed. */
int host_reach(const char *root, const char *path, char ret[static PATH_MAX], struct error *err) must_check;

/*
 * As host_find, of a directory that is made, with its parents, if it is missing. `making` (may be NULL) is told each one before it is made,
 * by its path on the node.
 */
int host_make_directory(const char *root, const char *path, int (*making)(void *, const char *, struct error *), void *context,
			char ret[static PATH_MAX], struct error *err) must_check;

/* From here on paths are ours, as host_find and host_name give them. */

/* The name under which the next content of `path` is prepared. */
int host_new_name(const char *path, char ret[static PATH_MAX], struct error *err) must_check;

/* Prepares a file's next content. `like` NULL: `mode`, and ours; else its mode and owner. */
int host_prepare(const char *path, struct slice content, mode_t mode, const struct stat *like, struct error *err) must_check;
/* What is prepared takes the file's place; after an error it is gone. */
int host_commit(const char *path, struct error *err) must_check;

/* host_prepare and host_commit. */
int host_put(const char *path, struct slice content, mode_t mode, struct error *err) must_check;
int host_put_link(const char *path, const char *target, struct error *err) must_check;
/* A new file, in a directory that nobody reads yet: not settled. */
int host_copy(const char *path, const char *from, mode_t mode, struct error *err) must_check;
/* The same under the new name, and committed. */
int host_put_copy(const char *path, const char *from, mode_t mode, struct error *err) must_check;

/* Two names, whatever they are of, change places. -ENOSYS: the file system cannot; `err` is not set then. */
int host_exchange(const char *a, const char *b, struct error *err) must_check;

int host_rename(const char *from, const char *to, struct error *err) must_check;

/* All of them: 0 if there is none. */
int host_remove(const char *path, struct error *err) must_check;
int host_remove_tree(const char *path, struct error *err) must_check;
/* Only if nothing is in it; else it stays, and that is no error. */
int host_remove_empty(const char *path, struct error *err) must_check;

/* What happened to the name is on the disk when it returns; each change of a name ends with it. */
int host_settle(const char *path, struct error *err) must_check;

/* True if it is a symbolic link to just that. */
bool host_is_link_to(const char *path, const char *target);

#endif
