// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <tss2/tss2_sys.h>
#include <tss2/tss2_tctildr.h>

#include "common/base/array.h"
#include "device-plugin/tpm/internal.h"

void tpm_close(struct tpm *tpm)
{
	if (!tpm)
		return;
	if (tpm->esys)
		tpm_forget(tpm);
	if (tpm->esys)
		Esys_Finalize(&tpm->esys);
	if (tpm->tcti)
		Tss2_TctiLdr_Finalize(&tpm->tcti);
	free(tpm);
}

static int no_tpm(struct error *err, const char *tcti, TSS2_RC rc)
{
	struct error inner;

	int r = tpm_error(&inner, rc, "reach it");
	return error_set(err, r == -EACCES ? EACCES : ENODEV, "there is no TPM at \"%s\": %s", tcti, inner.message);
}

/* Those that what is shipped can be linked with; asked for another, a libtss2 that loads nothing only says that it did not work. */
static bool is_way(const char *tcti)
{
	static const char *const ways[] = { "device", "swtpm" };
	struct slice name = { (const uint8_t *)tcti, strcspn(tcti, ":") };

	for (size_t i = 0; i < ELEMENTS_OF(ways); i++) {
		if (slice_equals_string(name, ways[i]))
			return true;
	}
	return false;
}

static void flush_from(TSS2_SYS_CONTEXT *sys, TPM2_HANDLE first)
{
	TPMS_CAPABILITY_DATA loaded;
	TPMI_YES_NO more;

	if (Tss2_Sys_GetCapability(sys, NULL, TPM2_CAP_HANDLES, first, TPM2_MAX_CAP_HANDLES, &more, &loaded, NULL) != TSS2_RC_SUCCESS)
		return;
	for (UINT32 i = 0; i < loaded.data.handles.count; i++)
		Tss2_Sys_FlushContext(sys, loaded.data.handles.handle[i]);
}

/*
 * A TPM without a resource manager keeps what a program that was killed or cut off had loaded, and soon has no room left. Nobody else has
 * it open now; and behind a resource manager we see nothing but our own.
 */
static void flush_leftovers(struct tpm *tpm)
{
	TSS2_SYS_CONTEXT *sys;

	if (Esys_GetSysContext(tpm->esys, &sys) != TSS2_RC_SUCCESS)
		return;
	flush_from(sys, TPM_TRANSIENT_FIRST);
	flush_from(sys, TPM2_LOADED_SESSION_FIRST);
}

/* A start that was made already (by the firmware, by the resource manager) is no error. */
int tpm_open(const char *tcti, struct tpm **ret, struct error *err)
{
	_cleanup_(tpm_closep) struct tpm *tpm = NULL;

	if (!is_way(tcti))
		return error_set(err, ENODEV,
				 "there is no TPM at \"%s\": give it as \"device:/dev/tpmrm0\" or \"swtpm:host=127.0.0.1,port=2321\"",
				 tcti);
	tpm = calloc(1, sizeof(*tpm));
	if (!tpm)
		return error_nomem(err);
	tpm->kept = (struct tpm_kept){ ESYS_TR_NONE, ESYS_TR_NONE, TPM_HANDLE(tpm), TPM_HANDLE(tpm) };
	TSS2_RC rc = Tss2_TctiLdr_Initialize(tcti, &tpm->tcti);
	if (rc == TSS2_RC_SUCCESS)
		rc = Esys_Initialize(&tpm->esys, tpm->tcti, NULL);
	if (rc != TSS2_RC_SUCCESS)
		return no_tpm(err, tcti, rc);
	rc = Esys_Startup(tpm->esys, TPM2_SU_CLEAR);
	if (rc != TSS2_RC_SUCCESS && rc != TPM2_RC_INITIALIZE)
		return no_tpm(err, tcti, rc);
	flush_leftovers(tpm);
	*ret = TAKE_PTR(tpm);
	return 0;
}

void tpm_handle_flush(struct tpm_handle *handle)
{
	if (handle->tr != ESYS_TR_NONE)
		Esys_FlushContext(handle->tpm->esys, handle->tr);
	handle->tr = ESYS_TR_NONE;
}
