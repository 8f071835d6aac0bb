// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_BASE_BASE64_H
#define HOLDFAST_BASE_BASE64_H

#include "common/base/buf.h"
#include "common/base/error.h"
#include "common/base/secret.h"
#include "common/base/slice.h"

/* RFC 4648 section 4, padding required; line ends are skipped; bytes have one form only. A NUL that is not counted follows them. EINVAL,
 * ENOMEM. */
int base64_decode(struct slice text, struct secret *ret, struct error *err) must_check;
void base64_encode(struct slice bytes, struct buf *out);

#endif
