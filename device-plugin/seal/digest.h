// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_SEAL_DIGEST_H
#define HOLDFAST_SEAL_DIGEST_H

#include <stdint.h>

#include "common/base/error.h"
#include "common/base/slice.h"

/* SHA-256, HMAC and the TPM's two key derivations, by OpenSSL. Errors: EIO, if OpenSSL fails. */

/* Over the parts, one after the other. */
int digest_sha256(const struct slice *parts, size_t n, uint8_t ret[static 32], struct error *err) must_check;
int digest_hmac_sha256(struct slice key, const struct slice *parts, size_t n, uint8_t ret[static 32], struct error *err) must_check;

/*
 * KDFa and KDFe with SHA-256 (Part 1, 11.4.10); at most 32 bytes, which is one round. The label's NUL is part of what is hashed. KDFe: `z`
 * is the x-coordinate of the shared point, `u` and `v` those of the two public keys.
 */
int digest_kdfa(struct slice key, const char *label, struct slice u, struct slice v, uint8_t *ret, size_t n, struct error *err) must_check;
int digest_kdfe(struct slice z, const char *label, struct slice u, struct slice v, uint8_t *ret, size_t n, struct error *err) must_check;

#endif
