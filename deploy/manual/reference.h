// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_MANUAL_REFERENCE_H
#define HOLDFAST_MANUAL_REFERENCE_H

#include "common/config/config.h"

/* What a person reads of one row of holdfast.yaml, in words: "a duration up to 20s", "one of kvm, tcg". */
void reference_type(const struct config_row *row, struct buf *out);

/* The section as a part of docs/configure.md: a heading, and a table with a line for each key. */
void reference_markdown(const struct config_section *section, struct buf *out);

/* The same as a section of holdfast.yaml(5). */
void reference_troff(const struct config_section *section, struct buf *out);

#endif
