// SPDX-License-Identifier: Apache-2.0
/* What a TPM's code means to whoever must act. Codes: TCG "TPM 2.0 Part 2", 6.6; layers: tss2_common.h. */
#include <errno.h>
#include <tss2/tss2_rc.h>

#include "common/base/array.h"
#include "device-plugin/tpm/internal.h"

struct meaning {
	TSS2_RC code; /* without the layer; format-one codes without parameter, handle or session number */
	int error;
	const char *text;
};

static const struct meaning meanings[] = {
	{ TPM2_RC_LOCKOUT, EBUSY,
	  "the TPM is locked out after failed authorizations; wait for its recovery time, or `tpm2_dictionarylockout --clear-lockout`" },
	{ TPM2_RC_POLICY_FAIL, EACCES, "a release condition does not hold" },
	{ TPM2_RC_POLICY, EACCES,
	  "a release condition does not hold: for `hold`, secrets sealed before `holdfast-tpm revoke` are void on "
	  "this node; seal again" },
	{ TPM2_RC_PCR_CHANGED, EACCES, "a PCR changed while the condition was being checked; try again" },
	{ TPM2_RC_VALUE, EINVAL, "the TPM refuses a value" },
	{ TPM2_RC_SIZE, EINVAL, "the TPM refuses the size of a value" },
	{ TPM2_RC_AUTH_FAIL, EPERM, "an authorization value is set that is not known; it counts towards the lockout" },
	{ TPM2_RC_BAD_AUTH, EPERM, "an authorization value is set that is not known" },
	{ TPM2_RC_INTEGRITY, EBADMSG, "it was made for another TPM, or this TPM was cleared; seal again for this node" },
	{ TPM2_RC_HANDLE, ENOENT, "there is no such object in the TPM" },
	{ TPM2_RC_SIGNATURE, EACCES, "a signature is not by the key that the condition names" },
	{ TPM2_RC_OBJECT_MEMORY, EAGAIN,
	  "the TPM's memory for objects is full: another program leaves its objects in it; use /dev/tpmrm0" },
	{ TPM2_RC_SESSION_MEMORY, EAGAIN,
	  "the TPM's memory for sessions is full: another program leaves its sessions in it; use /dev/tpmrm0" },
	{ TPM2_RC_SESSION_HANDLES, EAGAIN, "the TPM has no free session: another program leaves its sessions in it; use /dev/tpmrm0" },
	{ TPM2_RC_CONTEXT_GAP, EAGAIN, "the TPM's session contexts are too far apart; try again" },
	{ TPM2_RC_TESTING, EAGAIN, "the TPM tests itself; try again" },
	{ TPM2_RC_RETRY, EAGAIN, "the TPM is busy; try again" },
	{ TPM2_RC_YIELDED, EAGAIN, "the TPM is busy; try again" },
	{ TPM2_RC_NV_RATE, EAGAIN, "the TPM limits how often its memory is written; try again" },
	{ TPM2_RC_NV_UNAVAILABLE, EAGAIN, "the TPM's memory cannot be written now; try again" },
	{ TPM2_RC_NV_SPACE, ENOSPC, "the TPM's memory is full: remove an NV index or a persistent object that nobody needs" },
	{ TPM2_RC_FAILURE, EIO, "the TPM is in failure mode; a cold start of the machine may help" },
	{ TPM2_RC_HIERARCHY, EPERM, "the owner hierarchy is disabled in the firmware" },
	{ TPM2_RC_COMMAND_CODE, ENODEV, "the TPM lacks a command that TPM 2.0 has" },
	{ TPM2_RC_BAD_TAG, ENODEV, "this is a TPM 1.2, and Holdfast needs a TPM 2.0: look for an update or a setting in the firmware" },
};

static const struct meaning local_meanings[] = {
	{ TSS2_BASE_RC_IO_ERROR, EIO, "it does not answer: is the TPM (or swtpm) there and running?" },
	{ TSS2_BASE_RC_NO_CONNECTION, EIO, "the connection to it was lost" },
	{ TSS2_BASE_RC_TRY_AGAIN, EAGAIN, "it is busy; try again" },
	{ TSS2_BASE_RC_NOT_PERMITTED, EACCES, "no permission: run this as root" },
	{ TSS2_BASE_RC_NOT_SUPPORTED, ENODEV, "there is no way to it of that name" },
	{ TSS2_BASE_RC_MEMORY, ENOMEM, "out of memory" },
	{ TSS2_BASE_RC_MALFORMED_RESPONSE, EIO, "its answer is malformed" },
	{ TSS2_BASE_RC_RSP_AUTH_FAILED, EACCES,
	  "its answer is not authentic: somebody may be on the bus between the processor and the TPM" },
};

static const struct meaning *find(const struct meaning *rows, size_t n, TSS2_RC code)
{
	for (size_t i = 0; i < n; i++) {
		if (rows[i].code == code)
			return &rows[i];
	}
	return NULL;
}

static bool is_of_tpm(TSS2_RC rc)
{
	TSS2_RC layer = rc & TSS2_RC_LAYER_MASK;

	return layer == TSS2_TPM_RC_LAYER || layer == TSS2_RESMGR_TPM_RC_LAYER;
}

/* Format one: bit 7, with a number of the parameter, handle or session in bits 8 to 11 and bit 6. */
static TSS2_RC bare(TSS2_RC rc)
{
	TSS2_RC code = rc & ~TSS2_RC_LAYER_MASK;

	return code & TPM2_RC_FMT1 ? code & (TPM2_RC_FMT1 | 0x3f) : code;
}

int tpm_error(struct error *err, TSS2_RC rc, const char *what)
{
	static const struct meaning unknown = { 0, EIO, "the TPM refuses" };
	const struct meaning *meaning = is_of_tpm(rc) ? find(meanings, ELEMENTS_OF(meanings), bare(rc))
						      : find(local_meanings, ELEMENTS_OF(local_meanings), rc & ~TSS2_RC_LAYER_MASK);

	if (!meaning)
		meaning = &unknown;
	return error_set(err, meaning->error, "cannot %s: %s (TPM error 0x%x: %s)", what, meaning->text, rc, Tss2_RC_Decode(rc));
}
