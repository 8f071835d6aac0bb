// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/tpm/internal.h"

int tpm_session_start(struct tpm *tpm, ESYS_TR root, struct tpm_handle *ret, struct error *err)
{
	static const TPMT_SYM_DEF aes = { .algorithm = TPM2_ALG_AES, .keyBits.aes = 128, .mode.aes = TPM2_ALG_CFB };
	const TPMA_SESSION attributes = TPMA_SESSION_DECRYPT | TPMA_SESSION_ENCRYPT | TPMA_SESSION_CONTINUESESSION;

	TSS2_RC rc = Esys_StartAuthSession(tpm->esys, root, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, NULL, TPM2_SE_POLICY,
					   &aes, TPM2_ALG_SHA256, &ret->tr);
	if (rc == TSS2_RC_SUCCESS)
		rc = Esys_TRSess_SetAttributes(tpm->esys, ret->tr, attributes, 0xff);
	return rc == TSS2_RC_SUCCESS ? 0 : tpm_error(err, rc, "start a session with the TPM");
}
