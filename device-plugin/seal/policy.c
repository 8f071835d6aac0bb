// SPDX-License-Identifier: Apache-2.0
/* Each command extends the policy: digest = SHA-256(digest before || command code || what it asserts) (Part 3, 23). */
#include "device-plugin/seal/policy.h"

#include <errno.h>

#include "device-plugin/seal/digest.h"

#define CC_POLICY_NV 0x00000149
#define CC_POLICY_AUTHORIZE 0x0000016a
#define CC_POLICY_PCR 0x0000017f
#define EO_EQUAL 0x0000 /* TPM_EO_EQ */
#define STEP_BYTES_MAX 256

void policy_pcrs_write(struct policy_pcrs pcrs, struct buf *out)
{
	tpm2_u32(out, 1);
	tpm2_u16(out, SEAL_ALG_SHA256);
	buf_byte(out, POLICY_PCRS / 8);
	for (unsigned i = 0; i < POLICY_PCRS / 8; i++)
		buf_byte(out, (uint8_t)(pcrs.mask >> 8 * i));
}

static int extend(uint8_t digest[static TPM2_DIGEST_SIZE], const struct buf *assertion, struct error *err)
{
	const struct slice parts[] = { slice_from(digest, TPM2_DIGEST_SIZE), buf_view(assertion) };

	int r = buf_check(assertion, "policy", err);
	return r < 0 ? r : digest_sha256(parts, 2, digest, err);
}

/* args = SHA-256(operand || offset || operation); then command || args || name of the index. */
static int extend_nv(const struct policy_step *step, uint8_t digest[static TPM2_DIGEST_SIZE], struct error *err)
{
	_cleanup_(buf_free) struct buf out = BUF_MAX(STEP_BYTES_MAX), arguments = BUF_MAX(STEP_BYTES_MAX);
	uint8_t hash[TPM2_DIGEST_SIZE];

	tpm2_u64(&arguments, step->nv.value);
	tpm2_u16(&arguments, 0);
	tpm2_u16(&arguments, EO_EQUAL);
	struct slice bytes = buf_view(&arguments);
	int r = buf_check(&arguments, "policy", err);
	if (r == 0)
		r = digest_sha256(&bytes, 1, hash, err);
	if (r < 0)
		return r;
	tpm2_u32(&out, CC_POLICY_NV);
	buf_append(&out, hash, sizeof(hash));
	buf_append(&out, step->nv.name.bytes, TPM2_NAME_SIZE);
	return extend(digest, &out, err);
}

static int extend_pcr(const struct policy_step *step, uint8_t digest[static TPM2_DIGEST_SIZE], struct error *err)
{
	_cleanup_(buf_free) struct buf out = BUF_MAX(STEP_BYTES_MAX);

	tpm2_u32(&out, CC_POLICY_PCR);
	policy_pcrs_write(step->pcr.pcrs, &out);
	buf_append(&out, step->pcr.digest, TPM2_DIGEST_SIZE);
	return extend(digest, &out, err);
}

/* Starts anew: whatever came before is replaced by the key's word. Then once more for the policyRef, which is empty here. */
static int extend_authorize(const struct policy_step *step, uint8_t digest[static TPM2_DIGEST_SIZE], struct error *err)
{
	_cleanup_(buf_free) struct buf out = BUF_MAX(STEP_BYTES_MAX), nothing = BUF_MAX(1);

	memset(digest, 0, TPM2_DIGEST_SIZE);
	tpm2_u32(&out, CC_POLICY_AUTHORIZE);
	buf_append(&out, step->authorize.key.bytes, TPM2_NAME_SIZE);
	int r = extend(digest, &out, err);
	return r < 0 ? r : extend(digest, &nothing, err);
}

int policy_digest(const struct policy_step *steps, size_t n, uint8_t ret[static TPM2_DIGEST_SIZE], struct error *err)
{
	uint8_t digest[TPM2_DIGEST_SIZE] = { 0 };
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++) {
		switch (steps[i].type) {
		case POLICY_STEP_NV:
			r = extend_nv(&steps[i], digest, err);
			break;
		case POLICY_STEP_PCR:
			r = extend_pcr(&steps[i], digest, err);
			break;
		case POLICY_STEP_AUTHORIZE:
			r = i > 0 ? error_set(err, EINVAL, "a signed policy replaces what comes before it: it must be the first condition")
				  : extend_authorize(&steps[i], digest, err);
			break;
		}
	}
	if (r == 0)
		memcpy(ret, digest, sizeof(digest));
	return r;
}
