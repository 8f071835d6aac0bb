// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_BASE_FILE_H
#define HOLDFAST_BASE_FILE_H

#include <sys/types.h>

#include "common/base/buf.h"
#include "common/base/error.h"
#include "common/base/slice.h"

/* Appends the whole file to `out`, which holds a part after a failure. More than out->maximum: EFBIG, naming the limit. */
int file_read(const char *path, struct buf *out, struct error *err) must_check;

/* As file_read, from a descriptor until its end; `what` names it in errors. */
int file_read_fd(int fd, const char *what, struct buf *out, struct error *err) must_check;

/* All of `content`, at the descriptor's position; `what` names it in errors. */
int file_write_fd(int fd, struct slice content, const char *what, struct error *err) must_check;

/* Makes what has happened to the names in the directory of `path` survive a power loss. */
int file_sync_directory_of(const char *path, struct error *err) must_check;

/*
 * Replaces `path` in one step: readers see the old content or the new, never a part, also after power loss
 * (write to a temporary file beside it, fsync, rename, fsync of the directory). On failure the old file is untouched and
 * nothing is left behind.
 */
int file_write_atomic(const char *path, struct slice content, mode_t mode, struct error *err) must_check;

/* Creates the directory and its parents, all with `mode` (less the umask); an existing directory is no error. */
int file_make_directory(const char *path, mode_t mode, struct error *err) must_check;

#endif
