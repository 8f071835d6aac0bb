// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_INSTALL_CNI_CONFLIST_H
#define HOLDFAST_INSTALL_CNI_CONFLIST_H

#include <stdbool.h>

#include "common/base/buf.h"
#include "common/base/error.h"
#include "common/base/slice.h"

/*
 * Holdfast's entry in another's CNI configuration list (pure). The text is edited, not printed again: every other byte stays as it was,
 * numbers and unknown fields too, and taking the entry out gives back what was there before it was put in.
 */

#define CONFLIST_BYTES_MAX (1024 * 1024)

/* True if it is a list that names our plugin. False also of what is no JSON. */
bool conflist_has_entry(struct slice text);

/*
 * Appends the list with our entry behind all others to `out`; 1. 0: it is there already, wherever, and nothing was appended. EINVAL: no
 * JSON, or no list with a plugin in it; ENOTSUP: of a cniVersion in which our plugin does not speak.
 */
int conflist_add(struct slice text, struct buf *out, struct error *err) must_check;

/* Appends the list without our entry; 1. 0: there is none, and nothing was appended. EINVAL: no JSON. */
int conflist_remove(struct slice text, struct buf *out, struct error *err) must_check;

#endif
