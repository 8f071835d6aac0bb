// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TESTS_TPM_WIRE_H
#define HOLDFAST_TESTS_TPM_WIRE_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/tpm/software_tpm.h"

/*
 * The wire between a program and its software TPM, in a process of its own: both ports of swtpm, passed on command by command. What can go
 * wrong there goes wrong at a command of the test's choice: 1 is the next one. What fails ends the test.
 */
struct tpm_wire {
	pid_t pid;
	unsigned port;
	char tcti[64];
	struct tpm_wire_state *state;
};

void tpm_wire_make(struct tpm_wire *wire, const struct software_tpm *tpm);
/* Connections from now on go to this one. */
void tpm_wire_reconnect(struct tpm_wire *wire, const struct software_tpm *tpm);
void tpm_wire_remove(struct tpm_wire *wire);

unsigned tpm_wire_sent(const struct tpm_wire *wire); /* commands so far */

/* How many with this code there are from now on: TPM2_CC_… */
void tpm_wire_count(struct tpm_wire *wire, uint32_t command);
unsigned tpm_wire_counted(const struct tpm_wire *wire);

/* How long each command takes from now on, beside the TPM's own time. */
void tpm_wire_slow_down(struct tpm_wire *wire, unsigned ms);

/* The TPM does that command, and the connection breaks before it can answer. */
void tpm_wire_cut_at(struct tpm_wire *wire, unsigned n);

/* That command waits for tpm_wire_resume. */
void tpm_wire_hang_at(struct tpm_wire *wire, unsigned n);
/* So does each with this code; 0: none. */
void tpm_wire_hang_at_each(struct tpm_wire *wire, uint32_t command);
bool tpm_wire_hangs(const struct tpm_wire *wire);
void tpm_wire_resume(struct tpm_wire *wire);

/* Every command from now on is answered with the code, and not passed on; 0: passed on again. */
void tpm_wire_answer(struct tpm_wire *wire, uint32_t code);

#endif
