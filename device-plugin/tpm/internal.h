// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TPM_INTERNAL_H
#define HOLDFAST_TPM_INTERNAL_H

#include <tss2/tss2_esys.h>

#include "device-plugin/tpm/tpm.h"

/* A handle that must be flushed. `flush` accepts ESYS_TR_NONE. */
struct tpm_handle {
	struct tpm *tpm;
	ESYS_TR tr;
};
void tpm_handle_flush(struct tpm_handle *handle);
#define TPM_HANDLE(tpm) ((struct tpm_handle){ (tpm), ESYS_TR_NONE })
#define _cleanup_tpm_ _cleanup_(tpm_handle_flush)

struct tpm {
	TSS2_TCTI_CONTEXT *tcti;
	ESYS_CONTEXT *esys;
	struct tpm_kept { /* kept.c */
		ESYS_TR root, hold;
		struct tpm_handle session, object;
	} kept;
};

#define TPM_ROOT_HANDLE 0x81000001      /* TCG "Provisioning Guidance": the storage root key */
#define TPM_HOLD_INDEX 0x01800048       /* of the owner's range (TCG "Registry of Reserved TPM 2.0 Handles and Localities"); 'H' */
#define TPM_TRANSIENT_FIRST 0x80000000u /* libtss2's own macro shifts into the sign of an int */

/* "cannot <what>: <meaning>; <cure> (TPM error 0x…: <decoded>)". Returns -errno; never 0. */
int tpm_error(struct error *err, TSS2_RC rc, const char *what);

/* ESYS allocates its answers with malloc. */
static inline void tpm_wipe_and_free(void *p, size_t n)
{
	if (p)
		explicit_bzero(p, n);
	free(p);
}

/* root.c. The handle is ESYS' own record of a persistent key: closed, not flushed. -ENOENT: there is none. */
int tpm_root_find(struct tpm *tpm, ESYS_TR *ret, struct error *err) must_check;
int tpm_root_open(struct tpm *tpm, struct buf *ret_public, struct tpm2_root_key *ret, ESYS_TR *ret_handle, struct error *err) must_check;
int tpm_root_make(struct tpm *tpm, struct error *err) must_check;
/* Finds it if `handle` is ESYS_TR_NONE. ESTALE if its name is not `pinned`. The handle is to be closed, also after an error. */
int tpm_root_open_pinned(struct tpm *tpm, const struct tpm2_name *pinned, ESYS_TR *handle, struct error *err) must_check;

/* session.c. For a policy, salted with the root key; parameters are encrypted in both directions. */
int tpm_session_start(struct tpm *tpm, ESYS_TR root, struct tpm_handle *ret, struct error *err) must_check;

/* kept.c. See to it that it is in tpm->kept, the session with no policy in it. After an error all of it is to be forgotten. */
int tpm_keep_root(struct tpm *tpm, const struct tpm2_name *pinned, struct error *err) must_check;
int tpm_keep_hold(struct tpm *tpm, struct error *err) must_check;
int tpm_keep_session(struct tpm *tpm, struct error *err) must_check;
void tpm_forget(struct tpm *tpm);

/* hold.c. -ENOENT: there is none. */
int tpm_hold_find(struct tpm *tpm, ESYS_TR *ret, struct error *err) must_check;
int tpm_hold_open(struct tpm *tpm, struct buf *ret_public, ESYS_TR *ret_handle, struct error *err) must_check;
int tpm_hold_read(struct tpm *tpm, ESYS_TR handle, uint64_t *ret, struct error *err) must_check;
int tpm_hold_make(struct tpm *tpm, struct error *err) must_check;
int tpm_hold_increment(struct tpm *tpm, ESYS_TR handle, struct error *err) must_check;

/* certificate.c. Empty if the TPM has none. */
int tpm_read_certificate(struct tpm *tpm, struct buf *ret, struct error *err) must_check;

/* pcr.c */
TPML_PCR_SELECTION tpm_pcr_selection(struct policy_pcrs pcrs);

/* policy_run.c. EACCES names the condition that does not hold. */
int tpm_policy_run(struct tpm *tpm, ESYS_TR session, const struct tpm_unseal *what, struct error *err) must_check;

/* pcr_signature.c. What the file has for these PCRs and this policy. EACCES: nothing. */
struct pcr_signature {
	uint8_t bytes[512];
	size_t n;
};
int pcr_signature_find(const char *path, struct policy_pcrs pcrs, const uint8_t policy[static TPM2_DIGEST_SIZE], struct pcr_signature *ret,
		       struct error *err) must_check;

static inline void tpm_tr_close(struct tpm *tpm, ESYS_TR *handle)
{
	if (*handle != ESYS_TR_NONE)
		Esys_TR_Close(tpm->esys, handle);
}

#endif
