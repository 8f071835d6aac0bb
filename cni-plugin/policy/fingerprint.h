// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_POLICY_FINGERPRINT_H
#define HOLDFAST_POLICY_FINGERPRINT_H

#include "common/base/error.h"
#include "common/base/slice.h"

/* 128 bits of SHA-256, as 32 hex digits: names of what is shared because its content is the same. -ENOMEM. */
#define FINGERPRINT_SIZE 33

int fingerprint_hex(struct slice content, char hex[static FINGERPRINT_SIZE], struct error *err) must_check;

#endif
