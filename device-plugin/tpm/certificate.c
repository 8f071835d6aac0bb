// SPDX-License-Identifier: Apache-2.0
/* The certificate of the endorsement key, in DER, where the manufacturer put it. Not every TPM has one. */
#include <errno.h>

#include "common/base/array.h"
#include "device-plugin/tpm/internal.h"

/* TCG "EK Credential Profile": ECC P-256 first, then RSA 2048. */
static const TPM2_HANDLE indices[] = { 0x01c0000a, 0x01c00002 };

#define CHUNK 512 /* every TPM takes that much at a time */

static int read_part(struct tpm *tpm, ESYS_TR handle, uint16_t n, uint16_t at, struct buf *ret, struct error *err)
{
	_cleanup_free_ TPM2B_MAX_NV_BUFFER *bytes = NULL;

	TSS2_RC rc = Esys_NV_Read(tpm->esys, handle, handle, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, n, at, &bytes);
	if (rc != TSS2_RC_SUCCESS)
		return tpm_error(err, rc, "read the certificate of the endorsement key");
	if (bytes->size != n)
		return error_set(err, EIO, "the TPM gives %u bytes of the certificate of the endorsement key, not %u", bytes->size, n);
	buf_append(ret, bytes->buffer, bytes->size);
	return buf_check(ret, "certificate of the endorsement key", err);
}

static int read_index(struct tpm *tpm, ESYS_TR handle, struct buf *ret, struct error *err)
{
	_cleanup_free_ TPM2B_NV_PUBLIC *public = NULL;
	int r = 0;

	TSS2_RC rc = Esys_NV_ReadPublic(tpm->esys, handle, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &public, NULL);
	if (rc != TSS2_RC_SUCCESS)
		return tpm_error(err, rc, "look at the certificate of the endorsement key");
	if (public->nvPublic.dataSize > NODE_KEY_CERTIFICATE_MAX)
		return 0;
	for (uint16_t at = 0; at < public->nvPublic.dataSize && r == 0; at += CHUNK) {
		uint16_t left = public->nvPublic.dataSize - at;
		r = read_part(tpm, handle, left < CHUNK ? left : CHUNK, at, ret, err);
	}
	return r;
}

int tpm_read_certificate(struct tpm *tpm, struct buf *ret, struct error *err)
{
	for (size_t i = 0; i < ELEMENTS_OF(indices) && ret->n == 0; i++) {
		ESYS_TR handle = ESYS_TR_NONE;

		if (Esys_TR_FromTPMPublic(tpm->esys, indices[i], ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &handle) != TSS2_RC_SUCCESS)
			continue;
		int r = read_index(tpm, handle, ret, err);
		tpm_tr_close(tpm, &handle);
		if (r < 0)
			return r;
	}
	return 0;
}
