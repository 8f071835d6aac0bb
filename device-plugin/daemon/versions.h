// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TPM_VERSIONS_H
#define HOLDFAST_TPM_VERSIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/error.h"

/*
 * The latest version of each secret that this node's TPM has released, on disk in <state directory>/versions: whoever puts an earlier
 * TPMSecret back gets a refusal, also after a restart. Only what was authenticated counts, so nobody can block a secret with a version of
 * his own invention. A line a secret, in the order of their names, and a checksum as the last:
 *
 *	db-password 7
 *	sha256 9f86d0…                  of every byte above: head -n -1 FILE | sha256sum
 *
 * versions.copy is the same, written after it.
 */
struct versions;

#define VERSIONS_MAX 8192 /* secrets; those that are no more are remembered too, since they may come back */

/*
 * Neither file: nothing is known yet, which is no error. One of them damaged: it is set aside as FILE.damaged, the other one counts, and
 * *ret_damaged is true. EBADMSG: what is there is damaged, so that an earlier version would not be noticed; nothing is changed, and
 * somebody must decide.
 */
int versions_open(const char *directory, struct versions **ret, bool *ret_damaged, struct error *err) must_check;
void versions_free(struct versions *versions); /* accepts NULL */

/* ESTALE: a later one was here. */
int versions_check(const struct versions *versions, const char *secret, uint64_t version, struct error *err) must_check;

/* Is on disk when this returns 0. Nothing is written if it is known already. E2BIG: VERSIONS_MAX. */
int versions_note(struct versions *versions, const char *secret, uint64_t version, struct error *err) must_check;

#endif
