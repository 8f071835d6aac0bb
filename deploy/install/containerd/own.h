// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_INSTALL_CONTAINERD_OWN_H
#define HOLDFAST_INSTALL_CONTAINERD_OWN_H

#include "common/base/buf.h"
#include "common/base/slice.h"

/*
 * Which lines of a configuration are Holdfast's: those between two marks. Taking them out gives back, byte for byte, what was there before
 * they were put in. No other line is ever touched.
 */

/* Appends `text` without our lines. */
void own_strip(struct slice text, struct buf *out);

/* `lines` (each with its end) between the marks, in front of `text` or behind it. `text` has none of ours. */
void own_put_first(struct slice text, struct slice lines, struct buf *out);
void own_put_last(struct slice text, struct slice lines, struct buf *out);

#endif
