// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_SEAL_WRAP_H
#define HOLDFAST_SEAL_WRAP_H

#include "device-plugin/seal/tpm2.h"

/*
 * A content key, wrapped for one TPM: a sealed object in the form that TPM2_Import takes under the node's root key. Only that TPM can open
 * it, and only in a session that satisfies the policy.
 */
#define WRAP_KEY_SIZE 32
#define WRAP_PART_MAX 1024 /* bytes of each part; all are well below */

struct wrap {
	struct buf public;  /* TPM2B_PUBLIC of the sealed object */
	struct buf private; /* TPM2B_PRIVATE: the duplicate */
	struct buf seed;    /* TPM2B_ENCRYPTED_SECRET */
};

#define WRAP_EMPTY ((struct wrap){ BUF_MAX(WRAP_PART_MAX), BUF_MAX(WRAP_PART_MAX), BUF_MAX(WRAP_PART_MAX) })

void wrap_clear(struct wrap *wrap);

/* `ret` is empty before. EIO: OpenSSL fails; EINVAL: the root key is no point of its curve. */
int wrap_key(const struct tpm2_root_key *root, const uint8_t policy[static TPM2_DIGEST_SIZE], const uint8_t key[static WRAP_KEY_SIZE],
	     struct wrap *ret, struct error *err) must_check;

/*
 * The public area that wrap_key gives an object of this policy and `unique`: so a reader can say whether an object that it was given is
 * sealed, by this policy and nothing else. `*ret_policy` is the object's own. EINVAL: it is not of that kind.
 */
int wrap_public_read(struct slice tpm2b_public, uint8_t ret_policy[static TPM2_DIGEST_SIZE], struct error *err) must_check;

#endif
