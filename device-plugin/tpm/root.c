// SPDX-License-Identifier: Apache-2.0
/*
 * The storage root key. One that is at the standard handle already (by systemd, by the installer of the distribution) is used if it will
 * do, and is never overwritten: other programs have sealed their things under it.
 */
#include <errno.h>
#include <inttypes.h>
#include <tss2/tss2_mu.h>

#include "device-plugin/tpm/internal.h"

/* TCG "EK Credential Profile" template H-2's kin for a storage key: ECC P-256, AES-128-CFB, empty unique. */
static const TPM2B_PUBLIC template = {
	.publicArea = {
		.type = TPM2_ALG_ECC,
		.nameAlg = TPM2_ALG_SHA256,
		.objectAttributes = TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT | TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
				    TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_NODA,
		.parameters.eccDetail = {
			.symmetric = { .algorithm = TPM2_ALG_AES, .keyBits.aes = 128, .mode.aes = TPM2_ALG_CFB },
			.scheme.scheme = TPM2_ALG_NULL,
			.curveID = TPM2_ECC_NIST_P256,
			.kdf.scheme = TPM2_ALG_NULL,
		},
		.unique.ecc = { .x.size = 32, .y.size = 32 },
	},
};

static int read_public(struct tpm *tpm, ESYS_TR handle, struct buf *ret, struct error *err)
{
	_cleanup_free_ TPM2B_PUBLIC *public = NULL;
	uint8_t bytes[sizeof(TPM2B_PUBLIC)];
	size_t n = 0;

	TSS2_RC rc = Esys_ReadPublic(tpm->esys, handle, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &public, NULL, NULL);
	if (rc == TSS2_RC_SUCCESS)
		rc = Tss2_MU_TPM2B_PUBLIC_Marshal(public, bytes, sizeof(bytes), &n);
	if (rc != TSS2_RC_SUCCESS)
		return tpm_error(err, rc, "read the storage root key");
	buf_append(ret, bytes, n);
	return buf_check(ret, "public area of the storage root key", err);
}

int tpm_root_find(struct tpm *tpm, ESYS_TR *ret, struct error *err)
{
	TSS2_RC rc = Esys_TR_FromTPMPublic(tpm->esys, TPM_ROOT_HANDLE, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, ret);

	return rc == TSS2_RC_SUCCESS ? 0 : tpm_error(err, rc, "find the storage root key at handle 0x81000001");
}

int tpm_root_open(struct tpm *tpm, struct buf *ret_public, struct tpm2_root_key *ret, ESYS_TR *ret_handle, struct error *err)
{
	ESYS_TR handle = ESYS_TR_NONE;

	int r = tpm_root_find(tpm, &handle, err);
	if (r < 0)
		return r;
	r = read_public(tpm, handle, ret_public, err);
	if (r == 0)
		r = tpm2_root_key_read(buf_view(ret_public), ret, err);
	if (r < 0) {
		tpm_tr_close(tpm, &handle);
		return error_wrap(err, "the key at handle 0x%08x is not ours to replace", TPM_ROOT_HANDLE);
	}
	*ret_handle = handle;
	return 0;
}

/* The name is a digest of all that the key is. */
static int check(struct tpm *tpm, ESYS_TR root, const struct tpm2_name *pinned, struct error *err)
{
	_cleanup_free_ TPM2B_NAME *name = NULL;

	TSS2_RC rc = Esys_TR_GetName(tpm->esys, root, &name);
	if (rc != TSS2_RC_SUCCESS)
		return tpm_error(err, rc, "name the storage root key");
	if (name->size == TPM2_NAME_SIZE && memcmp(name->name, pinned->bytes, TPM2_NAME_SIZE) == 0)
		return 0;
	return error_set(err, ESTALE,
			 "the TPM's storage root key is not the one that was enrolled: it is another TPM, it was cleared, or "
			 "somebody is between it and us");
}

int tpm_root_open_pinned(struct tpm *tpm, const struct tpm2_name *pinned, ESYS_TR *handle, struct error *err)
{
	int r = *handle != ESYS_TR_NONE ? 0 : tpm_root_find(tpm, handle, err);

	if (r == -ENOENT)
		return error_set(err, ESTALE, "the TPM has no storage root key any more: it was cleared, or replaced by another");
	return r < 0 ? r : check(tpm, *handle, pinned, err);
}

int tpm_root_make(struct tpm *tpm, struct error *err)
{
	static const TPM2B_SENSITIVE_CREATE nothing;
	static const TPM2B_DATA no_data;
	static const TPML_PCR_SELECTION no_pcrs;
	_cleanup_tpm_ struct tpm_handle key = TPM_HANDLE(tpm);
	ESYS_TR persistent = ESYS_TR_NONE;

	TSS2_RC rc = Esys_CreatePrimary(tpm->esys, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &nothing, &template,
					&no_data, &no_pcrs, &key.tr, NULL, NULL, NULL, NULL);
	if (rc != TSS2_RC_SUCCESS)
		return tpm_error(err, rc, "make the storage root key");
	rc = Esys_EvictControl(tpm->esys, ESYS_TR_RH_OWNER, key.tr, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, TPM_ROOT_HANDLE,
			       &persistent);
	if (rc != TSS2_RC_SUCCESS)
		return tpm_error(err, rc, "keep the storage root key at handle 0x81000001");
	tpm_tr_close(tpm, &persistent);
	return 0;
}
