// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_SEAL_VALUE_H
#define HOLDFAST_SEAL_VALUE_H

#include "common/base/buf.h"
#include "common/json/json.h"

/* Lower case, two digits a byte. */
void hex_print(struct slice bytes, struct buf *out);
/* The opposite; false unless `text` is exactly 2 × n such digits. */
bool hex_parse(struct slice text, uint8_t *ret, size_t n);
/* Exactly `n` bytes of lower-case hexadecimal digits. EINVAL with the path. */
int hex_read(const struct json_view *at, uint8_t *ret, size_t n, struct error *err) must_check;

/* A base64 string of at most `maximum` bytes, and at least one. EINVAL with the path. */
int base64_read(const struct json_view *at, size_t maximum, struct buf *ret, struct error *err) must_check;

/* A string of decimal digits, since JSON's numbers do not hold 64 bits. Not zero. EINVAL with the path. */
int decimal_read(const struct json_view *at, uint64_t *ret, struct error *err) must_check;

#endif
