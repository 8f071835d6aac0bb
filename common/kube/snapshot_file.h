// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_KUBE_SNAPSHOT_FILE_H
#define HOLDFAST_KUBE_SNAPSHOT_FILE_H

#include <openssl/evp.h>

#include "common/base/buf.h"
#include "common/kube/snapshot.h"

/* Writing one snapshot, piece by piece, to FILE.new; nobody sees it before _commit. From one thread at a time. */
struct snapshot_file {
	const char *path; /* the owner's */
	int fd;           /* -1: nothing has begun */
	EVP_MD_CTX *digest;
	size_t n_bytes;
};

#define SNAPSHOT_FILE_NONE(path_) ((struct snapshot_file){ .path = (path_), .fd = -1 })

/* Makes the directory too. What an earlier process left half-written is overwritten. */
int snapshot_file_begin(struct snapshot_file *file, const char *source, struct error *err) must_check;
int snapshot_file_append(struct snapshot_file *file, struct slice lines, struct error *err) must_check;
int snapshot_file_commit(struct snapshot_file *file, size_t n_objects, struct error *err) must_check;
/* Removes what was written, unless it is committed. Accepts one that has not begun. */
void snapshot_file_abandon(struct snapshot_file *file);

/* Both sides print head and tail, so that a file is what is expected to the last byte. */
EVP_MD_CTX *snapshot_digest_new(void) must_check;
void snapshot_print_tail(EVP_MD_CTX *digest, size_t n_objects, struct buf *out);

#endif
