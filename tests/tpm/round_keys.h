// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TESTS_TPM_ROUND_KEYS_H
#define HOLDFAST_TESTS_TPM_ROUND_KEYS_H

#include <stdint.h>

#define ROUND_KEYS_SIZE 240

/* What AES-256 makes of its key before it uses it (FIPS 197, section 5.2); two in a row of the 15 give the key away. */
void round_keys(const uint8_t key[static 32], uint8_t ret[static ROUND_KEYS_SIZE]);

#endif
