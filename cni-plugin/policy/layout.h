// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_POLICY_LAYOUT_H
#define HOLDFAST_POLICY_LAYOUT_H

#include "cni-plugin/policy/ruleset.h"

/*
 * A table says of itself whether it is whole, so that an agent of another build, which lays out its chains in another way, can let
 * it guard on until it knows enough to replace it.
 */

/* Names what leads packets into the rules: base chains with their rules, and maps. Again after any of them has changed. */
int policy_layout_seal(struct ruleset *ruleset, struct error *err) must_check;

enum policy_layout {
	POLICY_LAYOUT_UNSEALED, /* of a build before this, or nobody's */
	POLICY_LAYOUT_BROKEN,   /* something of it is missing, or has other rules */
	POLICY_LAYOUT_WHOLE,
};

/* Of a ruleset that nft_read gave. */
int policy_layout_check(const struct ruleset *kernel, enum policy_layout *ret, struct error *err) must_check;

#endif
