// SPDX-License-Identifier: Apache-2.0
/*
 * Fields of a frame: where they are, and how they get into a register. A frame that is too short for a field, or has no such header, fails
 * the load and with it the rule: so only what holds may ever accept, and the last rule of a chain drops.
 *
 * The kernel finds the transport header behind IPv6 extension headers by itself. It gives none if it cannot follow them to their end,
 * and none in a later fragment. The Ethernet type is read from the frame: a VLAN tag, which the kernel has taken off by now, is still seen.
 */
#include "cni-plugin/nft/lowering.h"

#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <net/ethernet.h>
#include <net/if_arp.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <stddef.h>
#include <string.h>

#define FIELD_MAX 16
#define FRAGMENT_SHIFT 3 /* below the offset: two reserved bits, and "more fragments" */
#define ARP_ADDRESSES sizeof(struct arphdr)

enum from { LINK, NETWORK, TRANSPORT, META, FRAGMENT_HEADER };

static const struct field_row {
	enum from from;
	size_t offset, size;
} rows[] = {
	[RULESET_ETHER_SOURCE] = { LINK, offsetof(struct ether_header, ether_shost), ETHER_ADDR_LEN },
	[RULESET_ETHER_TYPE] = { LINK, offsetof(struct ether_header, ether_type), 2 },
	[RULESET_ARP_HARDWARE] = { NETWORK, offsetof(struct arphdr, ar_hrd), 2 },
	[RULESET_ARP_PROTOCOL] = { NETWORK, offsetof(struct arphdr, ar_pro), 2 },
	[RULESET_ARP_LENGTHS] = { NETWORK, offsetof(struct arphdr, ar_hln), 2 },
	[RULESET_ARP_OPERATION] = { NETWORK, offsetof(struct arphdr, ar_op), 2 },
	[RULESET_ARP_SOURCE_MAC] = { NETWORK, ARP_ADDRESSES, ETHER_ADDR_LEN },
	[RULESET_ARP_SOURCE] = { NETWORK, ARP_ADDRESSES + ETHER_ADDR_LEN, 4 },
	[RULESET_ARP_TARGET] = { NETWORK, ARP_ADDRESSES + ETHER_ADDR_LEN + 4 + ETHER_ADDR_LEN, 4 },
	[RULESET_IPV4_SOURCE] = { NETWORK, offsetof(struct iphdr, saddr), 4 },
	[RULESET_IPV4_DESTINATION] = { NETWORK, offsetof(struct iphdr, daddr), 4 },
	[RULESET_IPV6_LENGTH] = { NETWORK, offsetof(struct ip6_hdr, ip6_plen), 2 },
	[RULESET_IPV6_NEXT] = { NETWORK, offsetof(struct ip6_hdr, ip6_nxt), 1 },
	[RULESET_IPV6_SOURCE] = { NETWORK, offsetof(struct ip6_hdr, ip6_src), 16 },
	[RULESET_IPV6_FRAGMENT] = { FRAGMENT_HEADER, offsetof(struct ip6_frag, ip6f_offlg), 2 },
	[RULESET_TRANSPORT] = { META, NFT_META_L4PROTO, 1 },
	[RULESET_SOURCE_PORT] = { TRANSPORT, 0, 2 },
	[RULESET_DESTINATION_PORT] = { TRANSPORT, 2, 2 },
	[RULESET_ICMPV6] = { TRANSPORT, offsetof(struct icmp6_hdr, icmp6_type), 1 },
	[RULESET_ND_TARGET] = { TRANSPORT, offsetof(struct nd_neighbor_advert, nd_na_target), 16 },
	[RULESET_ND_OPTION] = { TRANSPORT, sizeof(struct nd_neighbor_advert), 2 },
	[RULESET_ND_OPTION_MAC] = { TRANSPORT, sizeof(struct nd_neighbor_advert) + 2, ETHER_ADDR_LEN },
	[RULESET_RS_OPTION] = { TRANSPORT, sizeof(struct nd_router_solicit), 2 },
	[RULESET_RS_OPTION_MAC] = { TRANSPORT, sizeof(struct nd_router_solicit) + 2, ETHER_ADDR_LEN },
};

static void load_fragment(struct lowering *to, const struct field_row *row, uint32_t reg)
{
	struct nftnl_expr *exthdr = lowering_add(to, "exthdr");

	lowering_put_u32(exthdr, NFTNL_EXPR_EXTHDR_DREG, reg);
	lowering_put_u32(exthdr, NFTNL_EXPR_EXTHDR_OP, NFT_EXTHDR_OP_IPV6);
	if (exthdr)
		nftnl_expr_set_u8(exthdr, NFTNL_EXPR_EXTHDR_TYPE, IPPROTO_FRAGMENT);
	lowering_put_u32(exthdr, NFTNL_EXPR_EXTHDR_OFFSET, (uint32_t)row->offset);
	lowering_put_u32(exthdr, NFTNL_EXPR_EXTHDR_LEN, (uint32_t)row->size);
}

static void load_field(struct lowering *to, const struct field_row *row, uint32_t reg)
{
	static const uint32_t bases[] = {
		[LINK] = NFT_PAYLOAD_LL_HEADER,
		[NETWORK] = NFT_PAYLOAD_NETWORK_HEADER,
		[TRANSPORT] = NFT_PAYLOAD_TRANSPORT_HEADER,
	};

	switch (row->from) {
	case LINK:
	case NETWORK:
	case TRANSPORT:
		lowering_load_payload(to, bases[row->from], row->offset, row->size, reg);
		break;
	case META:
		lowering_load_meta(to, (uint32_t)row->offset, reg);
		break;
	case FRAGMENT_HEADER:
		load_fragment(to, row, reg);
		break;
	}
}

static void put_number(uint8_t *bytes, size_t size, uint32_t number)
{
	memset(bytes, 0, size);
	for (size_t i = 0; i < size && i < sizeof(number); i++)
		bytes[size - 1 - i] = (uint8_t)(number >> 8 * i);
}

int lower_field(struct lowering *to, const struct ruleset_match *match, struct error *err)
{
	const struct field_row *row = &rows[match->field];
	uint8_t first[FIELD_MAX], last[FIELD_MAX];
	uint32_t shift = row->from == FRAGMENT_HEADER ? FRAGMENT_SHIFT : 0;
	uint64_t most = row->size < sizeof(uint32_t) ? (1u << (8 * row->size - shift)) - 1 : UINT32_MAX;

	if (match->first > match->last || match->last > most)
		return error_set(err, EINVAL, "%u-%u is no range for a field of %zu bytes", match->first, match->last, row->size);
	load_field(to, row, NFT_REG_1);
	if (match->first == 0 && match->last == most) /* that it is there is all that is asked */
		return 0;
	put_number(first, row->size, match->first << shift);
	put_number(last, row->size, (match->last << shift) | ((1u << shift) - 1));
	lowering_compare_range(to, first, last, row->size);
	return 0;
}

int lower_sender_in(struct lowering *to, const struct ruleset_match *match, struct error *err)
{
	const struct field_row *row = &rows[match->field];
	size_t padded = (row->size + 3) / 4 * 4;

	if (match->key < RULESET_KEY_IIF_MAC || ruleset_key_size(match->key) != sizeof(uint32_t) + padded)
		return error_set(err, EINVAL, "set \"%s\" does not hold such senders", match->set);
	lowering_load_meta(to, NFT_META_IIF, NFT_REG_1);
	load_field(to, row, NFT_REG32_01);
	lowering_lookup(to, match->set);
	return 0;
}
