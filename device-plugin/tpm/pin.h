// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TPM_PIN_H
#define HOLDFAST_TPM_PIN_H

#include "device-plugin/seal/tpm2.h"

/*
 * Which TPM this node was enrolled with: the name of its storage root key, in <state directory>/root-key. Compared before every session,
 * since a session is salted with the root key that is there: another one could be anybody's.
 */
#define PIN_DEFAULT_DIRECTORY "/var/lib/holdfast/tpm"

/* ENOENT: this node is not enrolled; EINVAL: the file is damaged. */
int pin_read(const char *directory, struct tpm2_name *ret, struct error *err) must_check;

/* Writes it if there is none (in one step, directory included). ESTALE: there is one, and it is another. */
int pin_check_or_write(const char *directory, const struct tpm2_name *name, struct error *err) must_check;

#endif
