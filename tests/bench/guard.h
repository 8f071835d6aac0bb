// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TESTS_GUARD_H
#define HOLDFAST_TESTS_GUARD_H

#include "cni-plugin/nft/nft.h"
#include "cni-plugin/policy/engine.h"
#include "tests/net/fabric.h"

/*
 * The real engine and the real writer on a fabric's node, with traffic.h's server as the pod that is guarded: `n_selecting` policies select
 * it, of which only the last lets the client in; `n_others` more are the cluster's and concern other pods.
 */
struct guard;

int guard_new(struct fabric *fabric, unsigned n_selecting, unsigned n_others, struct guard **ret, struct error *err) must_check;
/* Takes the rules away. */
void guard_free(struct guard *guard);
DEFINE_CLEANUP(struct guard *, guard_free);

/* The last policy no longer lets the client in, or does again: model and kernel. */
int guard_allow(struct guard *guard, bool allow, struct error *err) must_check;

/* The rules as nft's text; the caller's. */
char *guard_print(const struct guard *guard) must_check;

#endif
