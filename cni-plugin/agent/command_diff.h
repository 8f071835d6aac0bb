// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_AGENT_COMMAND_DIFF_H
#define HOLDFAST_AGENT_COMMAND_DIFF_H

#include "common/base/buf.h"
#include "common/base/error.h"

/*
 * Appends the documents of a file, of each *.yaml, *.yml and *.json of a directory, or of standard input ("-"). An object that cannot be
 * read and a NetworkPolicy that cannot be enforced are errors, which name file, document, field and value.
 */
int command_diff_take(const char *path, struct buf *out, struct error *err) must_check;

#endif
