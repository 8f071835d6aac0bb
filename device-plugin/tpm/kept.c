// SPDX-License-Identifier: Apache-2.0
/*
 * What one unsealing leaves for the next, since there are TPMs that need 300 ms for whatever they are asked:
 *
 *	root key, hold counter    looked up once; ESYS' own records, which take no room in the TPM
 *	session                   salted with the root key, the dearest command of all; the TPM empties its policy with each unsealing
 *	object                    of no more use: it is flushed when nobody waits for that any more
 *
 * All of it goes when anything fails: the TPM may have been cleared, or be another one.
 */
#include "device-plugin/tpm/internal.h"

int tpm_keep_root(struct tpm *tpm, const struct tpm2_name *pinned, struct error *err)
{
	return tpm_root_open_pinned(tpm, pinned, &tpm->kept.root, err);
}

int tpm_keep_hold(struct tpm *tpm, struct error *err)
{
	return tpm->kept.hold != ESYS_TR_NONE ? 0 : tpm_hold_find(tpm, &tpm->kept.hold, err);
}

int tpm_keep_session(struct tpm *tpm, struct error *err)
{
	return tpm->kept.session.tr != ESYS_TR_NONE ? 0 : tpm_session_start(tpm, tpm->kept.root, &tpm->kept.session, err);
}

void tpm_rest(struct tpm *tpm)
{
	if (!tpm)
		return;
	tpm_handle_flush(&tpm->kept.object);
	tpm_handle_flush(&tpm->kept.session);
}

void tpm_forget(struct tpm *tpm)
{
	tpm_rest(tpm);
	tpm_tr_close(tpm, &tpm->kept.root);
	tpm_tr_close(tpm, &tpm->kept.hold);
	tpm->kept.root = tpm->kept.hold = ESYS_TR_NONE;
}
