// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_SEAL_POLICY_H
#define HOLDFAST_SEAL_POLICY_H

#include "device-plugin/seal/tpm2.h"

/*
 * A TPM policy as a list of steps. A release condition (release.h) is turned into steps here; the digest is computed in software, because
 * trial sessions are broken on some TPMs; device-plugin/tpm runs the same steps in a session.
 */
enum policy_step_type {
	POLICY_STEP_NV,        /* TPM2_PolicyNV: the index' value equals `value` */
	POLICY_STEP_PCR,       /* TPM2_PolicyPCR: the selected PCRs have this digest */
	POLICY_STEP_AUTHORIZE, /* TPM2_PolicyAuthorize: whoever has the key has signed the policy so far; must be the first step */
};

#define POLICY_PCRS 24
#define POLICY_STEPS_MAX 16

/* PCRs of the SHA-256 bank. */
struct policy_pcrs {
	uint32_t mask; /* bit i: PCR i */
};

struct policy_step {
	enum policy_step_type type;
	union {
		struct {
			uint32_t index;
			struct tpm2_name name; /* WRITTEN is set in it */
			uint64_t value;
		} nv;
		struct {
			struct policy_pcrs pcrs;
			uint8_t digest[TPM2_DIGEST_SIZE]; /* SHA-256 over the values, in the order of their numbers */
		} pcr;
		struct {
			struct tpm2_name key;
			struct policy_pcrs pcrs; /* those that the signed policies select */
		} authorize;
	};
};

/* The authPolicy that an object must have to be released by exactly these steps. EINVAL: an authorize step that is not the first. */
int policy_digest(const struct policy_step *steps, size_t n, uint8_t ret[static TPM2_DIGEST_SIZE], struct error *err) must_check;

/* TPML_PCR_SELECTION of one bank, three bytes of PCRs. */
void policy_pcrs_write(struct policy_pcrs pcrs, struct buf *out);

#endif
