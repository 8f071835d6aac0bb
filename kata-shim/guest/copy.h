// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_GUEST_COPY_H
#define HOLDFAST_GUEST_COPY_H

#include "common/base/error.h"
#include "common/proto/agent.pb-c.h"

/* Files that come by CopyFile and are not whole yet. */
struct copies;

#define COPY_FILE_MAX (64 * 1024 * 1024) /* bytes of one file */
#define COPY_OPEN_MAX 64                 /* files that are not whole, at a time */
#define COPY_DEPTH_MAX 16                /* folders below GUEST_SHARED */

struct copies *copies_new(void) must_check; /* NULL: no memory */
void copies_free(struct copies *copies);    /* Accepts NULL. */

/*
 * As Kata's agent: the type is in file_mode's S_IFMT. A folder and a symbolic link (whose target is the data) are made at once; a regular
 * file appears with its last piece, by a rename, so that who reads it reads the old one or the new one. Folders above it are made with
 * dir_mode. What is there of another type is replaced, but for a folder, which stays.
 * EINVAL: not below GUEST_SHARED, or another type; EXDEV: on another file system than GUEST_SHARED is, or behind a symbolic link;
 * EFBIG, EBUSY: limits; ENOSPC: the guest's memory is too small.
 */
int copies_take(struct copies *copies, const Agent__CopyFileRequest *piece, struct error *err) must_check;

/* A file, a symbolic link or an empty folder. What is not there is no error. */
int copies_remove(const char *path, struct error *err) must_check;

#endif
