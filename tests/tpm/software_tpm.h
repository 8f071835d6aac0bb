// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TESTS_TPM_SOFTWARE_TPM_H
#define HOLDFAST_TESTS_TPM_SOFTWARE_TPM_H

#include <sys/types.h>

/* swtpm with a state directory of its own, on loopback in a network namespace that this process has alone. What fails ends the test. */
struct software_tpm {
	char directory[64];
	char tcti[64];
	unsigned port;
	pid_t pid;
};

/* Once per process, before the first TPM. */
void software_tpm_isolate(void);

/* With an EK certificate, and started. All that are made in one process are the same chip, new from the factory; _other is another one. */
void software_tpm_make(struct software_tpm *tpm);
void software_tpm_make_other(struct software_tpm *tpm);
void software_tpm_start(struct software_tpm *tpm);
void software_tpm_start_at(struct software_tpm *tpm, unsigned port);
void software_tpm_kill(struct software_tpm *tpm);
void software_tpm_hang(struct software_tpm *tpm); /* SIGSTOP; _resume, _kill end that */
void software_tpm_resume(struct software_tpm *tpm);
void software_tpm_remove(struct software_tpm *tpm);

/* Runs a command of tpm2-tools, or any other, with the TPM as its TCTI; its standard output in `out`. Fails if the command does. */
void software_tpm_tool(const struct software_tpm *tpm, const char *command, char *out, size_t size);

/* What is loaded in the TPM: transient objects and sessions. */
unsigned software_tpm_loaded(const struct software_tpm *tpm);

#endif
