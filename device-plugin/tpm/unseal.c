// SPDX-License-Identifier: Apache-2.0
/*
 *	root key (pinned) ─► salted session ─► Import ─► Load ─► policy session: conditions ─► Unseal, its answer encrypted
 *
 * At most three objects (root key, sealed object, the key of a signed policy) and two sessions are in the TPM at a time.
 */
#include <errno.h>
#include <tss2/tss2_mu.h>
#include <tss2/tss2_sys.h>

#include "common/base/secret.h"
#include "device-plugin/tpm/internal.h"

struct parts {
	TPM2B_PUBLIC public;
	TPM2B_PRIVATE duplicate;
	TPM2B_ENCRYPTED_SECRET seed;
};

static int read_parts(const struct wrap *wrap, struct parts *ret, struct error *err)
{
	size_t at = 0;
	TSS2_RC rc = Tss2_MU_TPM2B_PUBLIC_Unmarshal(wrap->public.p, wrap->public.n, &at, &ret->public);

	at = 0;
	if (rc == TSS2_RC_SUCCESS)
		rc = Tss2_MU_TPM2B_PRIVATE_Unmarshal(wrap->private.p, wrap->private.n, &at, &ret->duplicate);
	at = 0;
	if (rc == TSS2_RC_SUCCESS)
		rc = Tss2_MU_TPM2B_ENCRYPTED_SECRET_Unmarshal(wrap->seed.p, wrap->seed.n, &at, &ret->seed);
	return rc == TSS2_RC_SUCCESS ? 0 : error_set(err, EINVAL, "the wrapped key is damaged");
}

static int load(struct tpm *tpm, ESYS_TR root, const struct parts *parts, struct tpm_handle *ret, struct error *err)
{
	static const TPMT_SYM_DEF_OBJECT no_inner = { .algorithm = TPM2_ALG_NULL };
	static const TPM2B_DATA no_key;
	_cleanup_tpm_ struct tpm_handle session = TPM_HANDLE(tpm);
	_cleanup_free_ TPM2B_PRIVATE *private = NULL;

	int r = tpm_session_start(tpm, root, TPM2_SE_HMAC, &session, err);
	if (r < 0)
		return r;
	TSS2_RC rc = Esys_Import(tpm->esys, root, session.tr, ESYS_TR_NONE, ESYS_TR_NONE, &no_key, &parts->public, &parts->duplicate,
				 &parts->seed, &no_inner, &private);
	if (rc != TSS2_RC_SUCCESS)
		return tpm_error(err, rc, "import the sealed object");
	rc = Esys_Load(tpm->esys, root, session.tr, ESYS_TR_NONE, ESYS_TR_NONE, private, &parts->public, &ret->tr);
	return rc == TSS2_RC_SUCCESS ? 0 : tpm_error(err, rc, "load the sealed object");
}

/*
 * ESYS decrypts an answer where it has received it, in the one buffer for all commands, and leaves it there. The parameters of a command
 * that is never sent go over it.
 */
static void wipe_buffer(struct tpm *tpm)
{
	static const TPM2B_SENSITIVE_DATA zeros = { .size = sizeof(zeros.buffer) };
	TSS2_SYS_CONTEXT *sys;

	if (Esys_GetSysContext(tpm->esys, &sys) == TSS2_RC_SUCCESS)
		Tss2_Sys_StirRandom_Prepare(sys, &zeros);
}

static int unseal(struct tpm *tpm, ESYS_TR object, ESYS_TR session, uint8_t ret[static WRAP_KEY_SIZE], struct error *err)
{
	TPM2B_SENSITIVE_DATA *data = NULL;

	TSS2_RC rc = Esys_Unseal(tpm->esys, object, session, ESYS_TR_NONE, ESYS_TR_NONE, &data);
	wipe_buffer(tpm);
	if (rc != TSS2_RC_SUCCESS)
		return tpm_error(err, rc, "unseal");
	bool whole = data->size == WRAP_KEY_SIZE;
	if (whole)
		memcpy(ret, data->buffer, WRAP_KEY_SIZE);
	tpm_wipe_and_free(data, sizeof(*data));
	return whole ? 0 : error_set(err, EBADMSG, "what was sealed is no content key of ours");
}

static int unseal_under(struct tpm *tpm, ESYS_TR root, const struct tpm_unseal *what, uint8_t ret[static WRAP_KEY_SIZE], struct error *err)
{
	_cleanup_tpm_ struct tpm_handle object = TPM_HANDLE(tpm), session = TPM_HANDLE(tpm);
	struct parts parts = {}; /* libtss2-mu unmarshals into nothing else */

	int r = read_parts(what->wrap, &parts, err);
	if (r == 0)
		r = load(tpm, root, &parts, &object, err);
	if (r == 0)
		r = tpm_session_start(tpm, root, TPM2_SE_POLICY, &session, err);
	if (r == 0)
		r = tpm_policy_run(tpm, session.tr, what, err);
	return r < 0 ? r : unseal(tpm, object.tr, session.tr, ret, err);
}

int tpm_unseal(struct tpm *tpm, const struct tpm_unseal *what, uint8_t ret[static WRAP_KEY_SIZE], struct error *err)
{
	ESYS_TR root;

	int r = tpm_root_open_pinned(tpm, &what->root, &root, err);
	if (r < 0)
		return r;
	r = unseal_under(tpm, root, what, ret, err);
	tpm_tr_close(tpm, &root);
	secret_wipe_registers(); /* its thread may now sleep for long */
	return r;
}
