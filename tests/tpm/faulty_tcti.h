// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TESTS_TPM_FAULTY_TCTI_H
#define HOLDFAST_TESTS_TPM_FAULTY_TCTI_H

#include <stddef.h>
#include <stdint.h>
#include <tss2/tss2_common.h>

/*
 * Between us and the real TPM (programs are linked with --wrap): the n-th command from now on is not sent and
 * answered with a code of the test's choice, or the connection breaks at it. FlushContext is
 * not counted and always works: a TPM that refuses that needs a restart.
 */
struct faulty_tcti {
	unsigned sent;    /* commands so far */
	unsigned fail_at; /* 1: the next; 0: none */
	unsigned fail_n;  /* how many in a row from there on */
	TSS2_RC code;     /* TPM2_RC_…; 0: the connection breaks instead */

	const uint8_t *answer; /* what every command is answered with, in place of all that; NULL: nothing */
	size_t answer_n;

	const uint8_t *word; /* what somebody on the TPM's bus listens for */
	size_t word_n;
	unsigned heard; /* in how many commands and answers it was */

	uint64_t waited_ns; /* for answers of the real TPM, so far; FlushContext too */
};
extern struct faulty_tcti faulty_tcti;

void faulty_tcti_reset(void);

#endif
