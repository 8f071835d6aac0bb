// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TESTS_UNIT_SEAL_SEALED_H
#define HOLDFAST_TESTS_UNIT_SEAL_SEALED_H

#include "device-plugin/seal/envelope.h"
#include "device-plugin/seal/node_key.h"

/* A node key with a key pair made for it (type "EC" or "RSA"), and an envelope for two nodes; what fails ends the test. */
void sealed_make_node_key(const char *node, const char *type, struct node_key *ret);

extern const uint8_t sealed_key[WRAP_KEY_SIZE];
#define SEALED_CONTENT "s3cretCERTIFICATE"

struct envelope *sealed_make(void);

/* From the text of a manifest. `err` of the caller. */
int sealed_read(const char *manifest, struct envelope **ret, struct error *err);

#endif
