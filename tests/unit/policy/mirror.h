// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TESTS_POLICY_MIRROR_H
#define HOLDFAST_TESTS_POLICY_MIRROR_H

#include "cni-plugin/policy/ruleset.h"

/*
 * A kernel in miniature: applies what is pending in a ruleset, by the same messages that nft/ sends and with the kernel's refusals (what is
 * deleted must be there, what is referred to cannot be deleted, what is referred to must exist), then commits.
 */
void mirror_apply(struct ruleset *mirror, struct ruleset *wanted);

/* What nft_read would find: fingerprints instead of rules. The caller's. */
struct ruleset *mirror_read(const struct ruleset *mirror);

#endif
