// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_NFT_EXPRESSION_H
#define HOLDFAST_NFT_EXPRESSION_H

#include <libnftnl/rule.h>

#include "common/base/cleanup.h"
#include "common/base/error.h"
#include "cni-plugin/policy/ruleset.h"

static inline void nft_rule_free(struct nftnl_rule *rule)
{
	if (rule)
		nftnl_rule_free(rule);
}
DEFINE_CLEANUP(struct nftnl_rule *, nft_rule_free);

/*
 * The expressions of one rule: matches in their order, counter, verdict. Without table, chain and user data. -ENOMEM, -EINVAL (a match
 * that makes no sense here: a port without a protocol before it, a set of the wrong keys).
 */
int nft_expression_rule(const struct ruleset_rule *rule, struct nftnl_rule **ret, struct error *err) must_check;

#endif
