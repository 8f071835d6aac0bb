// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TESTS_SUPPORT_REMNANTS_H
#define HOLDFAST_TESTS_SUPPORT_REMNANTS_H

#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "common/base/cleanup.h"
#include "common/base/error.h"
#include "common/base/slice.h"

/*
 * Who has a secret? Finds any 16 bytes in a row of one, wherever they stand: as they are, in hexadecimal digits of either case, and in
 * base64.
 */
struct remnants;

#define REMNANTS_SECRET_MIN 8

/* `places`: where each place with a remnant is said, one a line; NULL: nowhere. */
struct remnants *remnants_new(FILE *places) must_check;
void remnants_free(struct remnants *remnants);
DEFINE_CLEANUP(struct remnants *, remnants_free);

/* `name` says which it was, and must outlive it. EINVAL: fewer than REMNANTS_SECRET_MIN bytes. */
int remnants_add(struct remnants *remnants, const char *name, struct slice secret, struct error *err) must_check;

/* Each adds to *ret_found how many places have one: files, mappings, threads. What cannot be looked at is an error. */

/* A file, block device, or all files below a directory; holes are passed over, and what vanishes meanwhile. */
int remnants_in_files(struct remnants *remnants, const char *path, size_t *ret_found, struct error *err) must_check;

/* What root has of a process, and a core dump would: every mapping whatever its rights, and the registers of all threads. */
int remnants_in_process(struct remnants *remnants, pid_t pid, size_t *ret_found, struct error *err) must_check;

/* Bytes in pieces, one after the other. */
struct remnants_stream {
	const struct remnants *remnants;
	size_t n_kept; /* of the end of the last piece, which stands before the next */
};

#define REMNANTS_PIECE (1024 * 1024)
#define REMNANTS_KEPT 16 /* as the longest form */

/* The piece, at most REMNANTS_PIECE bytes, begins at buffer + REMNANTS_KEPT. NULL: nothing; else which secret it is, in which form. */
const char *remnants_in_piece(struct remnants_stream *stream, uint8_t *buffer, size_t n);

void remnants_say(const struct remnants *remnants, const char *what, const char *where);

#endif
