// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TPM_TPM_H
#define HOLDFAST_TPM_TPM_H

#include "common/base/cleanup.h"
#include "common/base/error.h"
#include "device-plugin/seal/node_key.h"
#include "device-plugin/seal/policy.h"
#include "device-plugin/seal/wrap.h"

/*
 * The TPM, by ESYS. Everything here blocks for as long as the TPM takes, which may be for ever: it runs on the worker thread only
 * (worker.h). Nothing stays in the TPM between two calls, but for tpm_unseal: each flushes what it has loaded, so that a TPM without a
 * resource manager, with its three slots, is enough.
 *
 * Errors carry the TPM's code, what it means and what to do. ENODEV: no TPM there; EACCES: a policy is not satisfied; EBADMSG: an object of
 * another TPM; ESTALE: not the TPM that was enrolled; EAGAIN: try again later; EBUSY: lockout, do not try again by yourself.
 */
struct tpm;

#define TPM_DEFAULT_TCTI "device:/dev/tpmrm0"

/* `tcti`: "device:/dev/tpmrm0", "swtpm:host=127.0.0.1,port=2321", "swtpm:path=/run/swtpm.sock"; ENODEV for other ways of libtss2's. */
int tpm_open(const char *tcti, struct tpm **ret, struct error *err) must_check;
void tpm_close(struct tpm *tpm);
DEFINE_CLEANUP(struct tpm *, tpm_close);

/*
 * Makes what is missing, touches nothing that is there, and may be cut off at any point and repeated: the storage root key at its standard
 * handle, the hold counter. Fills in the public areas, the counter's value and the certificate of the endorsement key, if there is one.
 * `ret` is NODE_KEY_EMPTY, with the node's name.
 */
int tpm_enrol(struct tpm *tpm, struct node_key *ret, struct error *err) must_check;

/* As tpm_enrol, but makes nothing: ENOENT says what is missing. `root` is pinned: ESTALE if the TPM has another. */
int tpm_check(struct tpm *tpm, const struct tpm2_name *root, uint64_t *ret_hold_value, struct error *err) must_check;

/* Makes everything that was sealed for this node so far useless, for ever. */
int tpm_revoke(struct tpm *tpm, uint64_t *ret_hold_value, struct error *err) must_check;

/* Which TPM this is, and whether it is locked out. What it does not tell is empty or 0. */
struct tpm_description {
	char manufacturer[24]; /* "Infineon"; the four letters of one that is not known */
	char model[17];        /* the vendor's own string: "SLB9670" */
	char firmware[16];     /* "7.85" */
	bool locked_out;       /* dictionary attack protection: no object that it guards can be used */
	uint32_t failed_tries, maximum_tries;
	uint32_t forgets_try_s; /* one of them after so long */
};
int tpm_describe(struct tpm *tpm, struct tpm_description *ret, struct error *err) must_check;

/* Values of the SHA-256 bank. ENOENT: the TPM has no such bank. */
int tpm_read_pcrs(struct tpm *tpm, struct policy_pcrs pcrs, uint8_t ret[static POLICY_PCRS][TPM2_DIGEST_SIZE],
		  struct error *err) must_check;

/* What the TPM has made of a wrapped key, for it alone; no secret. */
struct tpm_imported {
	size_t n; /* 0: nothing yet */
	uint8_t bytes[256];
};

struct tpm_unseal {
	struct tpm2_name root; /* pinned */
	const struct release *release;
	size_t n_release;
	const struct wrap *wrap;
	const char *signatures;        /* path of tpm2-pcr-signature.json, for signed-pcr */
	struct tpm_imported *imported; /* of `wrap`: filled in, and spares the TPM a command the next time. NULL: it is not kept */
};

/*
 * The content key, if every condition holds. An object and a session may stay in the TPM, which make the next unsealing cheaper; whoever
 * has no more to unseal calls tpm_rest.
 */
int tpm_unseal(struct tpm *tpm, const struct tpm_unseal *what, uint8_t ret[static WRAP_KEY_SIZE], struct error *err) must_check;
void tpm_rest(struct tpm *tpm); /* accepts NULL */

#endif
