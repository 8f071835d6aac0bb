// SPDX-License-Identifier: Apache-2.0
/*
 * The hold counter: an NV index of type counter. It never goes back, not even when it is deleted and made again or the TPM is cleared: a
 * new counter begins above the highest that the TPM has ever seen (facts/tpm-and-delivery.md). Its first increment sets WRITTEN, which is
 * part of its name; until then nothing can be sealed by it.
 */
#include <errno.h>
#include <tss2/tss2_mu.h>

#include "device-plugin/tpm/internal.h"

#define COUNTER_SIZE 8
#define ATTRIBUTES                                                                                                                         \
	(TPM2_NT_COUNTER << TPMA_NV_TPM2_NT_SHIFT | TPMA_NV_AUTHREAD | TPMA_NV_AUTHWRITE | TPMA_NV_OWNERREAD | TPMA_NV_OWNERWRITE |        \
	 TPMA_NV_NO_DA)

static int check_kind(const TPMS_NV_PUBLIC *public, struct error *err)
{
	if ((public->attributes & ~(TPMA_NV)TPMA_NV_WRITTEN) == ATTRIBUTES && public->dataSize == COUNTER_SIZE &&
	    public->nameAlg == TPM2_ALG_SHA256)
		return 0;
	return error_set(err, EEXIST,
			 "the TPM's NV index 0x%08x is there and is not Holdfast's hold counter (attributes 0x%08x, %u bytes): remove it "
			 "with `tpm2_nvundefine 0x%08x` if nobody needs it",
			 TPM_HOLD_INDEX, public->attributes, public->dataSize, TPM_HOLD_INDEX);
}

static int read_public(struct tpm *tpm, ESYS_TR handle, struct buf *ret, struct error *err)
{
	_cleanup_free_ TPM2B_NV_PUBLIC *public = NULL;
	uint8_t bytes[sizeof(TPM2B_NV_PUBLIC)];
	size_t n = 0;

	TSS2_RC rc = Esys_NV_ReadPublic(tpm->esys, handle, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &public, NULL);
	if (rc == TSS2_RC_SUCCESS)
		rc = Tss2_MU_TPM2B_NV_PUBLIC_Marshal(public, bytes, sizeof(bytes), &n);
	if (rc != TSS2_RC_SUCCESS)
		return tpm_error(err, rc, "look at the hold counter");
	buf_append(ret, bytes, n);
	int r = buf_check(ret, "public area of the hold counter", err);
	return r < 0 ? r : check_kind(&public->nvPublic, err);
}

int tpm_hold_find(struct tpm *tpm, ESYS_TR *ret, struct error *err)
{
	TSS2_RC rc = Esys_TR_FromTPMPublic(tpm->esys, TPM_HOLD_INDEX, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, ret);

	return rc == TSS2_RC_SUCCESS ? 0 : tpm_error(err, rc, "find the hold counter");
}

int tpm_hold_open(struct tpm *tpm, struct buf *ret_public, ESYS_TR *ret_handle, struct error *err)
{
	ESYS_TR handle = ESYS_TR_NONE;

	int r = tpm_hold_find(tpm, &handle, err);
	if (r < 0)
		return r;
	r = read_public(tpm, handle, ret_public, err);
	if (r < 0)
		tpm_tr_close(tpm, &handle);
	else
		*ret_handle = handle;
	return r;
}

int tpm_hold_make(struct tpm *tpm, struct error *err)
{
	static const TPM2B_AUTH no_auth;
	const TPM2B_NV_PUBLIC public = {
		.nvPublic = { .nvIndex = TPM_HOLD_INDEX, .nameAlg = TPM2_ALG_SHA256, .attributes = ATTRIBUTES, .dataSize = COUNTER_SIZE },
	};
	ESYS_TR handle = ESYS_TR_NONE;

	TSS2_RC rc =
		Esys_NV_DefineSpace(tpm->esys, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &no_auth, &public, &handle);
	if (rc != TSS2_RC_SUCCESS)
		return tpm_error(err, rc, "make the hold counter");
	tpm_tr_close(tpm, &handle);
	return 0;
}

int tpm_hold_increment(struct tpm *tpm, ESYS_TR handle, struct error *err)
{
	TSS2_RC rc = Esys_NV_Increment(tpm->esys, handle, handle, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE);

	return rc == TSS2_RC_SUCCESS ? 0 : tpm_error(err, rc, "increment the hold counter");
}

int tpm_hold_read(struct tpm *tpm, ESYS_TR handle, uint64_t *ret, struct error *err)
{
	_cleanup_free_ TPM2B_MAX_NV_BUFFER *bytes = NULL;
	uint64_t value = 0;

	TSS2_RC rc = Esys_NV_Read(tpm->esys, handle, handle, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, COUNTER_SIZE, 0, &bytes);
	if (rc != TSS2_RC_SUCCESS)
		return tpm_error(err, rc, "read the hold counter");
	if (bytes->size != COUNTER_SIZE)
		return error_set(err, EIO, "the hold counter has %u bytes, not %d", bytes->size, COUNTER_SIZE);
	for (size_t i = 0; i < COUNTER_SIZE; i++)
		value = value << 8 | bytes->buffer[i];
	*ret = value;
	return 0;
}

int tpm_revoke(struct tpm *tpm, uint64_t *ret_hold_value, struct error *err)
{
	_cleanup_(buf_free) struct buf public = BUF_MAX(NODE_KEY_PUBLIC_MAX);
	ESYS_TR handle;

	int r = tpm_hold_open(tpm, &public, &handle, err);
	if (r < 0)
		return r;
	r = tpm_hold_increment(tpm, handle, err);
	if (r == 0)
		r = tpm_hold_read(tpm, handle, ret_hold_value, err);
	tpm_tr_close(tpm, &handle);
	return r;
}
