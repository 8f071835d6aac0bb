// SPDX-License-Identifier: Apache-2.0
/*
 *	root key (pinned) ─► Import ─► Load ─► salted policy session: conditions ─► Unseal, its answer encrypted
 *
 * What Import gives is as public as what goes into it: the object under the root key, in place of the ephemeral one. So whoever asks keeps
 * it, and what else can serve the next unsealing is kept here (kept.c): then it takes three commands, Load, PolicyNV and Unseal. Import and
 * Load carry nothing that is secret; were their answers changed on the way, the session would not fit the object.
 *
 * At most three objects (root key, sealed object, the key of a signed policy) and one session are in the TPM at a time.
 */
#include <errno.h>
#include <tss2/tss2_mu.h>
#include <tss2/tss2_sys.h>

#include "common/base/secret.h"
#include "device-plugin/tpm/internal.h"

#define STACK_BYTES 16384 /* libtss2's largest frames have 10 KiB */

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

static int import(struct tpm *tpm, const struct parts *parts, TPM2B_PRIVATE *ret, struct error *err)
{
	static const TPMT_SYM_DEF_OBJECT no_inner = { .algorithm = TPM2_ALG_NULL };
	static const TPM2B_DATA no_key;
	_cleanup_free_ TPM2B_PRIVATE *private = NULL;

	TSS2_RC rc = Esys_Import(tpm->esys, tpm->kept.root, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &no_key, &parts->public,
				 &parts->duplicate, &parts->seed, &no_inner, &private);
	if (rc != TSS2_RC_SUCCESS)
		return tpm_error(err, rc, "import the sealed object");
	*ret = *private;
	return 0;
}

static int import_or_reuse(struct tpm *tpm, const struct parts *parts, struct tpm_imported *imported, TPM2B_PRIVATE *ret, struct error *err)
{
	if (imported && imported->n > 0) {
		*ret = (TPM2B_PRIVATE){ .size = (UINT16)imported->n };
		memcpy(ret->buffer, imported->bytes, imported->n);
		return 0;
	}
	int r = import(tpm, parts, ret, err);
	if (r == 0 && imported && ret->size <= sizeof(imported->bytes)) {
		imported->n = ret->size;
		memcpy(imported->bytes, ret->buffer, ret->size);
	}
	return r;
}

static int load(struct tpm *tpm, const struct parts *parts, struct tpm_imported *imported, struct error *err)
{
	TPM2B_PRIVATE private;

	int r = import_or_reuse(tpm, parts, imported, &private, err);
	if (r < 0)
		return r;
	tpm_handle_flush(&tpm->kept.object);
	TSS2_RC rc = Esys_Load(tpm->esys, tpm->kept.root, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &private, &parts->public,
			       &tpm->kept.object.tr);
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

/* And its copies on the stack, below whoever calls this. */
static __attribute__((noinline)) void wipe_stack(void)
{
	uint8_t below[STACK_BYTES];

	explicit_bzero(below, sizeof(below));
}

static int unseal(struct tpm *tpm, uint8_t ret[static WRAP_KEY_SIZE], struct error *err)
{
	TPM2B_SENSITIVE_DATA *data = NULL;

	TSS2_RC rc = Esys_Unseal(tpm->esys, tpm->kept.object.tr, tpm->kept.session.tr, ESYS_TR_NONE, ESYS_TR_NONE, &data);
	wipe_buffer(tpm);
	wipe_stack();
	if (rc != TSS2_RC_SUCCESS)
		return tpm_error(err, rc, "unseal");
	bool whole = data->size == WRAP_KEY_SIZE;
	if (whole)
		memcpy(ret, data->buffer, WRAP_KEY_SIZE);
	tpm_wipe_and_free(data, sizeof(*data));
	return whole ? 0 : error_set(err, EBADMSG, "what was sealed is no content key of ours");
}

static int try_once(struct tpm *tpm, const struct tpm_unseal *what, uint8_t ret[static WRAP_KEY_SIZE], struct error *err)
{
	struct parts parts = {}; /* libtss2-mu unmarshals into nothing else */

	int r = read_parts(what->wrap, &parts, err);
	if (r == 0)
		r = tpm_keep_root(tpm, &what->root, err);
	if (r == 0)
		r = load(tpm, &parts, what->imported, err);
	if (r == 0)
		r = tpm_keep_session(tpm, err);
	if (r == 0)
		r = tpm_policy_run(tpm, tpm->kept.session.tr, what, err);
	if (r == 0)
		r = unseal(tpm, ret, err);
	if (r == 0)
		return 0;
	tpm_forget(tpm);
	if (what->imported)
		what->imported->n = 0;
	return r;
}

/* How a TPM answers that was cleared since, or replaced. Not how it refuses: that would be asked twice, and may count. */
static bool may_be_stale(int r)
{
	return r == -ENOENT || r == -EBADMSG || r == -EINVAL;
}

int tpm_unseal(struct tpm *tpm, const struct tpm_unseal *what, uint8_t ret[static WRAP_KEY_SIZE], struct error *err)
{
	bool remembers = tpm->kept.root != ESYS_TR_NONE || (what->imported && what->imported->n > 0);

	int r = try_once(tpm, what, ret, err);
	if (r < 0 && remembers && may_be_stale(r))
		r = try_once(tpm, what, ret, err);
	secret_wipe_registers(); /* its thread may now sleep for long */
	return r;
}
