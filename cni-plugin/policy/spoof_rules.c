// SPDX-License-Identifier: Apache-2.0
/*
 * What every sender is asked, as one table of rules. A chain accepts what is known to be right and ends with a drop, so what is not
 * understood (a header that cannot be followed, a message that is cut short) never passes.
 *
 *	from-vethX ─► sender ─► sender-ethertype ─┬─► sender-ipv4
 *	                mac                       ├─► sender-ipv6 ─┬─► …-own ─► sender-icmpv6 ─┬─► sender-router-solicitation
 *	                                          │                └─► …-unspecified           ├─► sender-neighbour-solicitation
 *	                                          └─► sender-arp                               └─► sender-neighbour-advertisement
 *
 * TCP is asked for first, since that is what most frames are. sender-dhcp, for what goes to a DHCP client, is a chain of its own: a drop
 * is two rules, one that logs and one that drops, and what stands before it would be asked twice of every datagram.
 *
 * Neighbour discovery behind an extension header, or in fragments, is what RFC 6980 and RFC 7112 are about: it is refused, so that the
 * options are where we look. Only the layouts that hosts send are accepted: no option, or one of 8 bytes, which names the pod's own MAC
 * address (or is the nonce of RFC 7527). A DHCP client looks at the destination port only, so that one decides.
 */
#include "cni-plugin/policy/spoof_internal.h"

#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <net/ethernet.h>
#include <net/if_arp.h>

#include "common/base/array.h"

#define UNICAST_LENGTH 0x0604 /* 6 bytes of MAC address, 4 of IPv4 */
#define BROADCAST 0xffffffff

#define BOOTP_SERVER 67 /* RFC 2131 */
#define BOOTP_CLIENT 68
#define DHCPV6_CLIENT 546 /* RFC 8415 */

/* Type and length (in units of 8 bytes) of an option of RFC 4861. */
#define OPTION_SOURCE_MAC 0x0101
#define OPTION_TARGET_MAC 0x0201
#define OPTION_NONCE 0x0e01 /* RFC 3971 */

/* Lengths of neighbour and router solicitations, and with one such option. */
#define BARE_ND 24
#define LONGER_ND 32
#define BARE_RS 8
#define LONGER_RS 16

#define MLD_REPORT 131 /* RFC 2710 */
#define MLD_DONE 132
#define MLD2_REPORT 143      /* RFC 3810 */
#define INVERSE_ND_FIRST 141 /* RFC 3122 */
#define INVERSE_ND_LAST 142

#define FRAGMENT_OFFSET_MAX 8191

#define BETWEEN(which, from, to)                                                                                                           \
	{                                                                                                                                  \
		.type = RULESET_FIELD, .field = RULESET_##which, .first = (from), .last = (to)                                             \
	}
#define IS(which, value) BETWEEN(which, value, value)
#define OWN(which, of)                                                                                                                     \
	{                                                                                                                                  \
		.type = RULESET_SENDER_IN, .field = RULESET_##which, .set = (char *)(of)                                                   \
	}
#define ICMPV6_ALONE IS(IPV6_NEXT, IPPROTO_ICMPV6)
#define KNOWN_TRANSPORT BETWEEN(TRANSPORT, 0, UINT8_MAX)

#define WHEN(...)                                                                                                                          \
	.matches = { __VA_ARGS__ }, .n_matches = sizeof((const struct ruleset_match[]){ __VA_ARGS__ }) / sizeof(struct ruleset_match)
#define ACCEPT .verdict = RULESET_ACCEPT
#define GOTO(to) .verdict = RULESET_GOTO, .target = (to)
#define DROP(why) .verdict = RULESET_DROP, .reason = SPOOF_##why

const struct spoof_rule spoof_rules[] = {
	{ "sender", WHEN(OWN(ETHER_SOURCE, SPOOF_MACS)), GOTO("sender-ethertype") },
	{ "sender", DROP(MAC) },

	{ "sender-ethertype", WHEN(IS(ETHER_TYPE, ETHERTYPE_IP)), GOTO("sender-ipv4") },
	{ "sender-ethertype", WHEN(IS(ETHER_TYPE, ETHERTYPE_IPV6)), GOTO("sender-ipv6") },
	{ "sender-ethertype", WHEN(IS(ETHER_TYPE, ETHERTYPE_ARP)), GOTO("sender-arp") },
	{ "sender-ethertype", DROP(PROTOCOL) },

	{ "sender-arp",
	  WHEN(IS(ARP_HARDWARE, ARPHRD_ETHER), IS(ARP_PROTOCOL, ETHERTYPE_IP), IS(ARP_LENGTHS, UNICAST_LENGTH),
	       BETWEEN(ARP_OPERATION, ARPOP_REQUEST, ARPOP_REPLY), OWN(ARP_SOURCE_MAC, SPOOF_MACS), OWN(ARP_SOURCE, SPOOF_IPV4)),
	  ACCEPT },
	/* A probe (RFC 5227): for anybody else's address it would keep that one from being used. */
	{ "sender-arp",
	  WHEN(IS(ARP_HARDWARE, ARPHRD_ETHER), IS(ARP_PROTOCOL, ETHERTYPE_IP), IS(ARP_LENGTHS, UNICAST_LENGTH),
	       IS(ARP_OPERATION, ARPOP_REQUEST), OWN(ARP_SOURCE_MAC, SPOOF_MACS), IS(ARP_SOURCE, 0), OWN(ARP_TARGET, SPOOF_IPV4)),
	  ACCEPT },
	{ "sender-arp", DROP(ARP) },

	{ "sender-ipv4", WHEN(IS(TRANSPORT, IPPROTO_TCP), OWN(IPV4_SOURCE, SPOOF_IPV4)), ACCEPT },
	{ "sender-ipv4", WHEN(IS(TRANSPORT, IPPROTO_UDP), IS(DESTINATION_PORT, BOOTP_CLIENT)), GOTO("sender-dhcp") },
	{ "sender-ipv4", WHEN(OWN(IPV4_SOURCE, SPOOF_IPV4), KNOWN_TRANSPORT), ACCEPT },
	{ "sender-ipv4",
	  WHEN(IS(IPV4_SOURCE, 0), IS(IPV4_DESTINATION, BROADCAST), IS(TRANSPORT, IPPROTO_UDP), IS(SOURCE_PORT, BOOTP_CLIENT),
	       IS(DESTINATION_PORT, BOOTP_SERVER)),
	  ACCEPT },
	{ "sender-ipv4", DROP(ADDRESS) },

	{ "sender-ipv6", WHEN(OWN(IPV6_SOURCE, SPOOF_IPV6)), GOTO("sender-ipv6-own") },
	{ "sender-ipv6", WHEN(IS(IPV6_SOURCE, 0)), GOTO("sender-ipv6-unspecified") },
	{ "sender-ipv6", DROP(ADDRESS) },

	{ "sender-ipv6-own", WHEN(IS(TRANSPORT, IPPROTO_TCP)), ACCEPT },
	{ "sender-ipv6-own", WHEN(IS(TRANSPORT, IPPROTO_ICMPV6)), GOTO("sender-icmpv6") },
	{ "sender-ipv6-own", WHEN(IS(TRANSPORT, IPPROTO_UDP), IS(DESTINATION_PORT, DHCPV6_CLIENT)), GOTO("sender-dhcp") },
	{ "sender-ipv6-own", WHEN(KNOWN_TRANSPORT), ACCEPT },
	{ "sender-ipv6-own", DROP(PROTOCOL) },

	{ "sender-dhcp", DROP(DHCP) },

	/* Before there is an address: its duplicates are looked for, a router, and the listeners' reports that this takes. */
	{ "sender-ipv6-unspecified",
	  WHEN(ICMPV6_ALONE, IS(ICMPV6, ND_NEIGHBOR_SOLICIT), IS(IPV6_LENGTH, BARE_ND), OWN(ND_TARGET, SPOOF_IPV6)), ACCEPT },
	{ "sender-ipv6-unspecified",
	  WHEN(ICMPV6_ALONE, IS(ICMPV6, ND_NEIGHBOR_SOLICIT), IS(IPV6_LENGTH, LONGER_ND), IS(ND_OPTION, OPTION_NONCE),
	       OWN(ND_TARGET, SPOOF_IPV6)),
	  ACCEPT },
	{ "sender-ipv6-unspecified", WHEN(ICMPV6_ALONE, IS(ICMPV6, ND_ROUTER_SOLICIT), IS(IPV6_LENGTH, BARE_RS)), ACCEPT },
	{ "sender-ipv6-unspecified", WHEN(IS(TRANSPORT, IPPROTO_ICMPV6), BETWEEN(ICMPV6, MLD_REPORT, MLD_DONE)), ACCEPT },
	{ "sender-ipv6-unspecified", WHEN(IS(TRANSPORT, IPPROTO_ICMPV6), IS(ICMPV6, MLD2_REPORT)), ACCEPT },
	{ "sender-ipv6-unspecified", DROP(ADDRESS) },

	{ "sender-icmpv6", WHEN(IS(ICMPV6, ND_ROUTER_SOLICIT)), GOTO("sender-router-solicitation") },
	{ "sender-icmpv6", WHEN(IS(ICMPV6, ND_ROUTER_ADVERT)), DROP(ROUTER) },
	{ "sender-icmpv6", WHEN(IS(ICMPV6, ND_NEIGHBOR_SOLICIT)), GOTO("sender-neighbour-solicitation") },
	{ "sender-icmpv6", WHEN(IS(ICMPV6, ND_NEIGHBOR_ADVERT)), GOTO("sender-neighbour-advertisement") },
	{ "sender-icmpv6", WHEN(IS(ICMPV6, ND_REDIRECT)), DROP(ROUTER) },
	{ "sender-icmpv6", WHEN(BETWEEN(ICMPV6, INVERSE_ND_FIRST, INVERSE_ND_LAST)), DROP(NEIGHBOUR) },
	{ "sender-icmpv6", WHEN(BETWEEN(ICMPV6, 0, UINT8_MAX)), ACCEPT },
	{ "sender-icmpv6", WHEN(BETWEEN(IPV6_FRAGMENT, 1, FRAGMENT_OFFSET_MAX)), ACCEPT }, /* the first one tells what it is */
	{ "sender-icmpv6", DROP(PROTOCOL) },

	{ "sender-router-solicitation", WHEN(ICMPV6_ALONE, IS(IPV6_LENGTH, BARE_RS)), ACCEPT },
	{ "sender-router-solicitation",
	  WHEN(ICMPV6_ALONE, IS(IPV6_LENGTH, LONGER_RS), IS(RS_OPTION, OPTION_SOURCE_MAC), OWN(RS_OPTION_MAC, SPOOF_MACS)), ACCEPT },
	{ "sender-router-solicitation", DROP(NEIGHBOUR) },

	{ "sender-neighbour-solicitation", WHEN(ICMPV6_ALONE, IS(IPV6_LENGTH, BARE_ND)), ACCEPT },
	{ "sender-neighbour-solicitation",
	  WHEN(ICMPV6_ALONE, IS(IPV6_LENGTH, LONGER_ND), IS(ND_OPTION, OPTION_SOURCE_MAC), OWN(ND_OPTION_MAC, SPOOF_MACS)), ACCEPT },
	{ "sender-neighbour-solicitation", WHEN(ICMPV6_ALONE, IS(IPV6_LENGTH, LONGER_ND), IS(ND_OPTION, OPTION_NONCE)), ACCEPT },
	{ "sender-neighbour-solicitation", DROP(NEIGHBOUR) },

	{ "sender-neighbour-advertisement", WHEN(ICMPV6_ALONE, IS(IPV6_LENGTH, BARE_ND), OWN(ND_TARGET, SPOOF_IPV6)), ACCEPT },
	{ "sender-neighbour-advertisement",
	  WHEN(ICMPV6_ALONE, IS(IPV6_LENGTH, LONGER_ND), OWN(ND_TARGET, SPOOF_IPV6), IS(ND_OPTION, OPTION_TARGET_MAC),
	       OWN(ND_OPTION_MAC, SPOOF_MACS)),
	  ACCEPT },
	{ "sender-neighbour-advertisement", DROP(NEIGHBOUR) },
};

const size_t spoof_n_rules = ELEMENTS_OF(spoof_rules);
