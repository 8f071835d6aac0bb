// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_SEAL_SIGNED_PCR_H
#define HOLDFAST_SEAL_SIGNED_PCR_H

#include "device-plugin/seal/tpm2.h"

#define SIGNED_PCR_PUBLIC_MAX 1024

/* TPMT_PUBLIC of a PEM key, for its name and for TPM2_LoadExternal. EINVAL: "is no RSA public key …", for the caller to say which. */
int signed_pcr_key_public(const char *pem, struct buf *out, struct error *err) must_check;

#endif
