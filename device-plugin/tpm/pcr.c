// SPDX-License-Identifier: Apache-2.0
#include <errno.h>

#include "device-plugin/tpm/internal.h"

TPML_PCR_SELECTION tpm_pcr_selection(struct policy_pcrs pcrs)
{
	TPML_PCR_SELECTION selection = { .count = 1, .pcrSelections = { { .hash = TPM2_ALG_SHA256, .sizeofSelect = POLICY_PCRS / 8 } } };

	for (unsigned i = 0; i < POLICY_PCRS / 8; i++)
		selection.pcrSelections[0].pcrSelect[i] = (uint8_t)(pcrs.mask >> 8 * i);
	return selection;
}

/* What the TPM has taken out of the wanted ones, in the order of their numbers. One that was not asked for must not keep us here for ever.
 */
static int take(const TPML_PCR_SELECTION *selected, const TPML_DIGEST *values, struct policy_pcrs *left,
		uint8_t ret[static POLICY_PCRS][TPM2_DIGEST_SIZE], struct error *err)
{
	uint32_t wanted = left->mask;
	UINT32 n = 0;

	for (unsigned i = 0; i < POLICY_PCRS; i++) {
		if (selected->count != 1 || !(selected->pcrSelections[0].pcrSelect[i / 8] & 1 << i % 8))
			continue;
		if (n >= values->count || values->digests[n].size != TPM2_DIGEST_SIZE)
			break;
		memcpy(ret[i], values->digests[n++].buffer, TPM2_DIGEST_SIZE);
		left->mask &= ~(1u << i);
	}
	return left->mask != wanted ? 0 : error_set(err, ENOENT, "the TPM has no SHA-256 bank of PCRs: enable it in the firmware");
}

int tpm_read_pcrs(struct tpm *tpm, struct policy_pcrs pcrs, uint8_t ret[static POLICY_PCRS][TPM2_DIGEST_SIZE], struct error *err)
{
	int r = 0;

	/* A TPM gives at most eight at a time. */
	while (pcrs.mask && r == 0) {
		_cleanup_free_ TPML_PCR_SELECTION *selected = NULL;
		_cleanup_free_ TPML_DIGEST *values = NULL;
		TPML_PCR_SELECTION wanted = tpm_pcr_selection(pcrs);

		TSS2_RC rc = Esys_PCR_Read(tpm->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &wanted, NULL, &selected, &values);
		if (rc != TSS2_RC_SUCCESS)
			return tpm_error(err, rc, "read the PCRs");
		r = take(selected, values, &pcrs, ret, err);
	}
	return r;
}
