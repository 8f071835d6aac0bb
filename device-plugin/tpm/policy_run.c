// SPDX-License-Identifier: Apache-2.0
/* The steps of a policy (seal/policy.h) in a session, in the order in which their digest was computed. */
#include <errno.h>
#include <tss2/tss2_mu.h>

#include "device-plugin/seal/release.h"
#include "device-plugin/seal/signed_pcr.h"
#include "device-plugin/tpm/internal.h"

static int run_nv(struct tpm *tpm, ESYS_TR session, const struct policy_step *step, struct error *err)
{
	TPM2B_OPERAND operand = { .size = 8 };

	/* Another index may count a failed authorization towards the lockout of the whole TPM, and the secret says which one is asked. */
	if (step->nv.index != TPM_HOLD_INDEX)
		return error_set(err, EINVAL, "the condition \"hold\" names NV index 0x%08x, and Holdfast's hold counter is 0x%08x",
				 step->nv.index, TPM_HOLD_INDEX);
	for (size_t i = 0; i < 8; i++)
		operand.buffer[i] = (uint8_t)(step->nv.value >> (56 - 8 * i));
	int r = tpm_keep_hold(tpm, err);
	if (r < 0)
		return r;
	TSS2_RC rc = Esys_PolicyNV(tpm->esys, tpm->kept.hold, tpm->kept.hold, session, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
				   &operand, 0, TPM2_EO_EQ);
	return rc == TSS2_RC_SUCCESS ? 0 : tpm_error(err, rc, "meet the condition \"hold\"");
}

static int run_pcr(struct tpm *tpm, ESYS_TR session, const struct policy_step *step, struct error *err)
{
	TPML_PCR_SELECTION selection = tpm_pcr_selection(step->pcr.pcrs);
	TPM2B_DIGEST digest = { .size = TPM2_DIGEST_SIZE };

	memcpy(digest.buffer, step->pcr.digest, TPM2_DIGEST_SIZE);
	TSS2_RC rc = Esys_PolicyPCR(tpm->esys, session, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &digest, &selection);
	if (rc == TSS2_RC_SUCCESS)
		return 0;
	/* The TPM says no more than TPM_RC_VALUE. */
	tpm_error(err, rc, "meet the condition \"pcr\"");
	return error_set(err, EACCES,
			 "the PCRs have other values than those that the condition \"pcr\" names: the firmware, the boot loader or the "
			 "system has changed; seal again if it was you");
}

/* PCRs that nobody extends would make the signature's word empty. */
static int check_measured(struct tpm *tpm, struct policy_pcrs pcrs, struct error *err)
{
	uint8_t values[POLICY_PCRS][TPM2_DIGEST_SIZE] = { 0 };
	struct error inner;

	int r = tpm_read_pcrs(tpm, pcrs, values, err);
	if (r == 0 && release_check_measured(pcrs, values, &inner) < 0)
		r = error_set(err, EACCES, "condition \"signed-pcr\": %s", inner.message);
	return r;
}

static int policy_so_far(struct tpm *tpm, ESYS_TR session, struct policy_pcrs pcrs, TPM2B_DIGEST *ret, struct error *err)
{
	TPML_PCR_SELECTION selection = tpm_pcr_selection(pcrs);
	_cleanup_free_ TPM2B_DIGEST *digest = NULL;
	static const TPM2B_DIGEST whatever;

	TSS2_RC rc = Esys_PolicyPCR(tpm->esys, session, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &whatever, &selection);
	if (rc == TSS2_RC_SUCCESS)
		rc = Esys_PolicyGetDigest(tpm->esys, session, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &digest);
	if (rc != TSS2_RC_SUCCESS)
		return tpm_error(err, rc, "ask for the policy of the PCRs");
	*ret = *digest;
	return 0;
}

static int load_key(struct tpm *tpm, const char *pem, struct tpm_handle *ret, struct error *err)
{
	_cleanup_(buf_free) struct buf area = BUF_MAX(SIGNED_PCR_PUBLIC_MAX);
	TPM2B_PUBLIC public = { 0 };
	size_t at = 0;

	int r = signed_pcr_key_public(pem, &area, err);
	if (r < 0)
		return r;
	TSS2_RC rc = Tss2_MU_TPMT_PUBLIC_Unmarshal(area.p, area.n, &at, &public.publicArea);
	if (rc == TSS2_RC_SUCCESS)
		rc = Esys_LoadExternal(tpm->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, NULL, &public, ESYS_TR_RH_OWNER, &ret->tr);
	return rc == TSS2_RC_SUCCESS ? 0 : tpm_error(err, rc, "load the key that signs PCR policies");
}

/* The signature is over SHA-256(policy || policyRef), and there is no policyRef. */
static int verify(struct tpm *tpm, ESYS_TR key, const TPM2B_DIGEST *policy, const struct pcr_signature *signature, TPMT_TK_VERIFIED **ret,
		  struct error *err)
{
	TPMT_SIGNATURE tpm_signature = { .sigAlg = TPM2_ALG_RSASSA,
					 .signature.rsassa = { .hash = TPM2_ALG_SHA256, .sig.size = (UINT16)signature->n } };
	_cleanup_free_ TPM2B_DIGEST *hash = NULL;
	TPM2B_MAX_BUFFER message = { .size = policy->size };

	memcpy(message.buffer, policy->buffer, policy->size);
	memcpy(tpm_signature.signature.rsassa.sig.buffer, signature->bytes, signature->n);
	TSS2_RC rc =
		Esys_Hash(tpm->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &message, TPM2_ALG_SHA256, ESYS_TR_RH_NULL, &hash, NULL);
	if (rc == TSS2_RC_SUCCESS)
		rc = Esys_VerifySignature(tpm->esys, key, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, hash, &tpm_signature, ret);
	return rc == TSS2_RC_SUCCESS ? 0 : tpm_error(err, rc, "verify the signature of the PCR policy");
}

static int run_authorize(struct tpm *tpm, ESYS_TR session, const struct policy_step *step, const struct tpm_unseal *what,
			 const struct release_signed_pcr *condition, struct error *err)
{
	static const TPM2B_NONCE no_reference;
	_cleanup_free_ TPMT_TK_VERIFIED *ticket = NULL;
	_cleanup_tpm_ struct tpm_handle key = TPM_HANDLE(tpm);
	TPM2B_NAME name = { .size = TPM2_NAME_SIZE };
	struct pcr_signature signature;
	TPM2B_DIGEST policy;

	int r = check_measured(tpm, condition->pcrs, err);
	if (r == 0)
		r = policy_so_far(tpm, session, condition->pcrs, &policy, err);
	if (r == 0)
		r = pcr_signature_find(what->signatures, condition->pcrs, policy.buffer, &signature, err);
	if (r == 0)
		r = load_key(tpm, condition->key, &key, err);
	if (r == 0)
		r = verify(tpm, key.tr, &policy, &signature, &ticket, err);
	if (r < 0)
		return r;
	memcpy(name.name, step->authorize.key.bytes, TPM2_NAME_SIZE);
	TSS2_RC rc =
		Esys_PolicyAuthorize(tpm->esys, session, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &policy, &no_reference, &name, ticket);
	return rc == TSS2_RC_SUCCESS ? 0 : tpm_error(err, rc, "meet the condition \"signed-pcr\"");
}

int tpm_policy_run(struct tpm *tpm, ESYS_TR session, const struct tpm_unseal *what, struct error *err)
{
	struct policy_step steps[RELEASE_CONDITIONS_MAX];
	uint8_t digest[TPM2_DIGEST_SIZE];

	int r = release_policy(what->release, what->n_release, steps, digest, err);
	for (size_t i = 0; i < what->n_release && r == 0; i++) {
		switch (steps[i].type) {
		case POLICY_STEP_NV:
			r = run_nv(tpm, session, &steps[i], err);
			break;
		case POLICY_STEP_PCR:
			r = run_pcr(tpm, session, &steps[i], err);
			break;
		case POLICY_STEP_AUTHORIZE:
			r = run_authorize(tpm, session, &steps[i], what, what->release[i].signed_pcr, err);
			break;
		}
	}
	return r;
}
