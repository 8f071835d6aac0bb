// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

#include "cni-plugin/nft/internal.h"

const char *nft_text_of(const struct nlmsghdr *message, uint16_t type)
{
	const struct nlattr *attribute;

	mnl_attr_for_each(attribute, message, sizeof(struct nfgenmsg))
		if (mnl_attr_get_type(attribute) == type && mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) == 0)
			return mnl_attr_get_str(attribute);
	return "";
}

uint32_t nft_number_of(const struct nlmsghdr *message, uint16_t type, uint32_t otherwise)
{
	const struct nlattr *attribute;

	mnl_attr_for_each(attribute, message, sizeof(struct nfgenmsg))
		if (mnl_attr_get_type(attribute) == type && mnl_attr_validate(attribute, MNL_TYPE_U32) == 0)
			return ntohl(mnl_attr_get_u32(attribute));
	return otherwise;
}

uint8_t nft_family(enum ruleset_family family)
{
	return family == RULESET_NETDEV ? NFPROTO_NETDEV : NFPROTO_INET;
}

bool nft_has(const struct nlmsghdr *message, uint16_t type)
{
	const struct nlattr *attribute;

	mnl_attr_for_each(attribute, message, sizeof(struct nfgenmsg))
		if (mnl_attr_get_type(attribute) == type)
			return true;
	return false;
}

bool nft_is_ours(const struct nlmsghdr *message, enum ruleset_family family, uint16_t table_attribute)
{
	const struct nfgenmsg *extra = mnl_nlmsg_get_payload(message);

	return extra->nfgen_family == nft_family(family) && strcmp(nft_text_of(message, table_attribute), RULESET_TABLE) == 0;
}
