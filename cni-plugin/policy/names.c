// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>

#include "cni-plugin/policy/engine_internal.h"

const char *const policy_side_names[SIDES] = { [EGRESS] = "egress", [INGRESS] = "ingress" };

#define RULE_SUFFIX_MAX 11 /* "/4294967295" */
#define CHAIN_NAME_MAX (RULESET_NAME_MAX - RULE_SUFFIX_MAX)

/* A namespace has up to 63 bytes, a policy 253: the longest names must be cut, and a hash of the whole then keeps them apart. */
int policy_chain_name(enum policy_side side, const char *namespace, const char *policy, struct chain_name *ret, struct error *err)
{
	char whole[1024], hex[FINGERPRINT_SIZE];
	int n = snprintf(whole, sizeof(whole), "%s-policy/%s/%s", policy_side_names[side], namespace, policy);

	if (n <= CHAIN_NAME_MAX) {
		memcpy(ret->text, whole, (size_t)n + 1);
		return 0;
	}
	int r = fingerprint_hex(slice_string(whole), hex, err);
	if (r < 0)
		return r;
	memcpy(ret->text, whole, CHAIN_NAME_MAX - FINGERPRINT_SIZE);
	snprintf(ret->text + CHAIN_NAME_MAX - FINGERPRINT_SIZE, FINGERPRINT_SIZE + 1, "-%s", hex);
	return 0;
}

void policy_counter_name(const char *chain, size_t rule, struct chain_name *ret)
{
	snprintf(ret->text, sizeof(ret->text), "%.*s/%u", CHAIN_NAME_MAX, chain, (unsigned)rule);
}
