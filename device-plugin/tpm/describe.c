// SPDX-License-Identifier: Apache-2.0
/* Properties of the TPM, four bytes each: PT_FIXED for which chip this is, PT_VAR for the state it is in. */
#include <errno.h>
#include <stdio.h>
#include <tss2/tss2_esys.h>

#include "common/base/array.h"
#include "device-plugin/tpm/internal.h"

/* Four letters, as the TCG "Vendor ID Registry" has them. */
static const struct {
	const char *id, *name;
} manufacturers[] = {
	{ "AMD", "AMD" },
	{ "ATML", "Atmel" },
	{ "BRCM", "Broadcom" },
	{ "CSCO", "Cisco" },
	{ "FLYS", "Flyslice" },
	{ "GOOG", "Google" },

	{ "HPE", "HPE" },
	{ "IBM", "IBM" },
	{ "IFX", "Infineon" },
	{ "INTC", "Intel" },
	{ "LEN", "Lenovo" },
	{ "MSFT", "Microsoft" },
	{ "NSG", "NSING" },
	{ "NSM", "National Semiconductor" },
	{ "NTC", "Nuvoton" },
	{ "NTZ", "Nationz" },
	{ "QCOM", "Qualcomm" },
	{ "ROCC", "Fuzhou Rockchip" },
	{ "SMSC", "SMSC" },
	{ "SMSN", "Samsung" },
	{ "STM", "STMicroelectronics" },
	{ "SNS", "Sinosun" },
	{ "TXN", "Texas Instruments" },
	{ "WEC", "Winbond" },
	{ "SEAL", "Wisekey" },
};

/* At most four letters; what is no letter ends them. */
static void add_letters(uint32_t value, char *to, size_t size)
{
	size_t n = strlen(to);

	for (int shift = 24; shift >= 0 && n + 1 < size; shift -= 8) {
		char c = (char)(value >> shift & 0xff);
		if (c < 0x20 || c > 0x7e)
			break;
		to[n++] = c;
	}
	to[n] = 0;
}

static void trim(char *text)
{
	size_t n = strlen(text);

	while (n > 0 && text[n - 1] == ' ')
		text[--n] = 0;
}

static void take_property(const TPMS_TAGGED_PROPERTY *property, struct tpm_description *ret)
{
	switch (property->property) {
	case TPM2_PT_MANUFACTURER:
		add_letters(property->value, ret->manufacturer, 5);
		break;
	case TPM2_PT_VENDOR_STRING_1:
	case TPM2_PT_VENDOR_STRING_2:
	case TPM2_PT_VENDOR_STRING_3:
	case TPM2_PT_VENDOR_STRING_4:
		add_letters(property->value, ret->model, sizeof(ret->model));
		break;
	case TPM2_PT_FIRMWARE_VERSION_1:
		snprintf(ret->firmware, sizeof(ret->firmware), "%u.%u", property->value >> 16, property->value & 0xffff);
		break;
	case TPM2_PT_PERMANENT:
		ret->locked_out = property->value & TPMA_PERMANENT_INLOCKOUT;
		break;
	case TPM2_PT_LOCKOUT_COUNTER:
		ret->failed_tries = property->value;
		break;
	case TPM2_PT_MAX_AUTH_FAIL:
		ret->maximum_tries = property->value;
		break;
	case TPM2_PT_LOCKOUT_INTERVAL:
		ret->forgets_try_s = property->value;
		break;
	default:
		break;
	}
}

/* As many as one answer holds, which is all of a group. */
static int read_group(struct tpm *tpm, TPM2_PT first, struct tpm_description *ret, struct error *err)
{
	_cleanup_free_ TPMS_CAPABILITY_DATA *data = NULL;

	TSS2_RC rc = Esys_GetCapability(tpm->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, TPM2_CAP_TPM_PROPERTIES, first,
					TPM2_MAX_TPM_PROPERTIES, NULL, &data);
	if (rc != TSS2_RC_SUCCESS)
		return tpm_error(err, rc, "read the properties of the TPM");
	const TPML_TAGGED_TPM_PROPERTY *list = &data->data.tpmProperties;
	for (UINT32 i = 0; i < list->count && i < ELEMENTS_OF(list->tpmProperty); i++)
		take_property(&list->tpmProperty[i], ret);
	return 0;
}

static void name_manufacturer(struct tpm_description *description)
{
	trim(description->manufacturer);
	trim(description->model);
	for (size_t i = 0; i < ELEMENTS_OF(manufacturers); i++) {
		if (strcmp(description->manufacturer, manufacturers[i].id) == 0) {
			snprintf(description->manufacturer, sizeof(description->manufacturer), "%s", manufacturers[i].name);
			return;
		}
	}
}

int tpm_describe(struct tpm *tpm, struct tpm_description *ret, struct error *err)
{
	struct tpm_description description = { 0 };

	int r = read_group(tpm, TPM2_PT_FIXED, &description, err);
	if (r == 0)
		r = read_group(tpm, TPM2_PT_VAR, &description, err);
	if (r < 0)
		return r;
	name_manufacturer(&description);
	*ret = description;
	return 0;
}
