// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_NFT_HOOKS_H
#define HOLDFAST_NFT_HOOKS_H

#include <libmnl/libmnl.h>

#include "cni-plugin/policy/ruleset.h"

/* The attributes of a base chain: hook, priority, device, type filter, policy accept. */
void nft_hook_put(struct nlmsghdr *message, const struct ruleset_chain *chain);

/*
 * Where a chain of the kernel's is: RULESET_NO_HOOK, or RULESET_HOOK_UNKNOWN if we never hook a chain in there, or it has another type or
 * policy than ours.
 */
enum ruleset_hook nft_hook_of(const struct nlmsghdr *message, enum ruleset_family family, int *ret_priority);

#endif
