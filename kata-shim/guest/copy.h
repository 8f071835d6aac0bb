// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_GUEST_COPY_H
#define HOLDFAST_GUEST_COPY_H

#include "common/base/cleanup.h"
#include "common/base/error.h"
#include "common/proto/agent.pb-c.h"

/* Files that come by CopyFile and are not whole yet. */
struct copies;

#define COPY_FILE_MAX (64 * 1024 * 1024) /* bytes of one file */
#define COPY_OPEN_MAX 64                 /* files that are not whole, at a time: with one more the oldest is given up */

struct copies *copies_new(void) must_check; /* NULL: no memory */
/* What is not whole is dropped. Accepts NULL. */
void copies_free(struct copies *copies);
DEFINE_CLEANUP(struct copies *, copies_free);

/*
 * As Kata's agent: the type is in file_mode's S_IFMT (none: regular). A folder and a symbolic link, whose target is the data, are made at
 * once; a regular file is what its pieces, in their order, make up, and appears with the last one. Both appear by a rename: who reads the
 * place has what was there or what is there now. Folders above are made with dir_mode (0: 0755). A file or link that is in the way is
 * replaced; a folder stays, and is changed if one is asked for.
 * EINVAL: see copy_path.h, a type that is none of these, or a piece that is not the next; EISDIR: a folder is in the way of something else;
 * EFBIG: COPY_FILE_MAX; ENOSPC: the guest's memory is too small.
 */
int copies_take(struct copies *copies, const Agent__CopyFileRequest *piece, struct error *err) must_check;

/* A file, a symbolic link or an empty folder. What is not there is no error. ENOTEMPTY */
int copies_remove(const char *path, struct error *err) must_check;

#endif
