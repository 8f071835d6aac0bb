// SPDX-License-Identifier: Apache-2.0
/* Where a base chain is hooked in, to and from netlink attributes. */
#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

#include "cni-plugin/nft/hooks.h"
#include "cni-plugin/nft/internal.h"
#include "common/base/array.h"

#define CHAIN_TYPE "filter"

static const struct {
	enum ruleset_family family;
	enum ruleset_hook hook;
	uint32_t number;
} hooks[] = {
	{ RULESET_INET, RULESET_HOOK_FORWARD, NF_INET_FORWARD },
	{ RULESET_INET, RULESET_HOOK_INPUT, NF_INET_LOCAL_IN },
	{ RULESET_INET, RULESET_HOOK_OUTPUT, NF_INET_LOCAL_OUT },
	{ RULESET_NETDEV, RULESET_HOOK_INGRESS, NF_NETDEV_INGRESS },
};

static uint32_t number_of(enum ruleset_hook hook)
{
	for (size_t i = 0; i < ELEMENTS_OF(hooks); i++)
		if (hooks[i].hook == hook)
			return hooks[i].number;
	return UINT32_MAX; /* the kernel refuses it */
}

void nft_hook_put(struct nlmsghdr *message, const struct ruleset_chain *chain)
{
	struct nlattr *nest = mnl_attr_nest_start(message, NFTA_CHAIN_HOOK);

	mnl_attr_put_u32(message, NFTA_HOOK_HOOKNUM, htonl(number_of(chain->hook)));
	mnl_attr_put_u32(message, NFTA_HOOK_PRIORITY, htonl((uint32_t)chain->priority));
	if (chain->device)
		mnl_attr_put_strz(message, NFTA_HOOK_DEV, chain->device);
	mnl_attr_nest_end(message, nest);
	mnl_attr_put_u32(message, NFTA_CHAIN_POLICY, htonl(NF_ACCEPT));
	mnl_attr_put_strz(message, NFTA_CHAIN_TYPE, CHAIN_TYPE);
}

static uint32_t nested_number(const struct nlattr *nest, uint16_t type, uint32_t otherwise)
{
	const struct nlattr *attribute;

	mnl_attr_for_each_nested(attribute, nest)
		if (mnl_attr_get_type(attribute) == type && mnl_attr_validate(attribute, MNL_TYPE_U32) == 0)
			return ntohl(mnl_attr_get_u32(attribute));
	return otherwise;
}

static const struct nlattr *find_nest(const struct nlmsghdr *message)
{
	const struct nlattr *attribute;

	mnl_attr_for_each(attribute, message, sizeof(struct nfgenmsg))
		if (mnl_attr_get_type(attribute) == NFTA_CHAIN_HOOK)
			return attribute;
	return NULL;
}

enum ruleset_hook nft_hook_of(const struct nlmsghdr *message, enum ruleset_family family, int *ret_priority)
{
	const struct nlattr *nest = find_nest(message);

	*ret_priority = 0;
	if (!nest)
		return RULESET_NO_HOOK;
	if (strcmp(nft_text_of(message, NFTA_CHAIN_TYPE), CHAIN_TYPE) != 0 ||
	    nft_number_of(message, NFTA_CHAIN_POLICY, NF_ACCEPT) != NF_ACCEPT)
		return RULESET_HOOK_UNKNOWN;
	uint32_t number = nested_number(nest, NFTA_HOOK_HOOKNUM, UINT32_MAX);
	for (size_t i = 0; i < ELEMENTS_OF(hooks); i++) {
		if (hooks[i].family != family || hooks[i].number != number)
			continue;
		*ret_priority = (int)nested_number(nest, NFTA_HOOK_PRIORITY, 0);
		return hooks[i].hook;
	}
	return RULESET_HOOK_UNKNOWN;
}
