// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_RPC_GRPC_LOAD_H
#define HOLDFAST_RPC_GRPC_LOAD_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/error.h"

/*
 * How many calls are being handled, those included whose peer has given them up: HTTP/2 counts only streams that are open, so a peer that
 * resets each call at once, or connects anew, would have no limit ("rapid reset"). Outlives its connection as long as a call of it.
 */
struct grpc_load;

/* What is taken of it is taken of `above` too, which may be NULL. NULL: no memory. */
struct grpc_load *grpc_load_new(size_t maximum, struct grpc_load *above) must_check;
void grpc_load_unref(struct grpc_load *load); /* accepts NULL */

/* False: it is full. */
bool grpc_load_take(struct grpc_load *load) must_check;
void grpc_load_give(struct grpc_load *load); /* accepts NULL */

#endif
