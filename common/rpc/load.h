// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_RPC_LOAD_H
#define HOLDFAST_RPC_LOAD_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/error.h"

/*
 * How many calls are being handled, those included whose peer has given them up: HTTP/2 counts only streams that are open, so a peer that
 * resets each call at once, or connects anew, would have no limit ("rapid reset"). Outlives its connection as long as a call of it.
 */
struct rpc_load;

/* What is taken of it is taken of `above` too, which may be NULL. NULL: no memory. */
struct rpc_load *rpc_load_new(size_t maximum, struct rpc_load *above) must_check;
void rpc_load_unref(struct rpc_load *load); /* accepts NULL */

/* False: it is full. */
bool rpc_load_take(struct rpc_load *load) must_check;
void rpc_load_give(struct rpc_load *load); /* accepts NULL */

#endif
