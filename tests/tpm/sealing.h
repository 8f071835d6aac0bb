// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TESTS_TPM_SEALING_H
#define HOLDFAST_TESTS_TPM_SEALING_H

#include "device-plugin/seal/node_key.h"
#include "device-plugin/tpm/tpm.h"
#include "tests/tpm/software_tpm.h"

/* A content key, sealed for the node of a TPM by some conditions. What fails ends the test. */
struct sealing {
	struct node_key node;
	struct release conditions[RELEASE_CONDITIONS_MAX];
	size_t n;
	struct wrap wrap;
	struct tpm_imported imported; /* used if what.imported is set to it */
	struct tpm_unseal what;
};

extern const uint8_t sealing_key[WRAP_KEY_SIZE];

struct tpm *sealing_open(const struct software_tpm *tpm);
/* Enrols; the conditions are `hold` and those of the JSON texts in front of it. */
void sealing_make(struct sealing *sealing, struct tpm *tpm, const char *const *conditions, size_t n);
void sealing_clear(struct sealing *sealing);

/* Objects and sessions that are loaded, as the TPM says itself. */
unsigned sealing_count_loaded(struct tpm *tpm);

/* 0 and the right key, or the error. */
int sealing_unseal(const struct sealing *sealing, struct tpm *tpm, struct error *err);

#endif
