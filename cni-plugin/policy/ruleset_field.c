// SPDX-License-Identifier: Apache-2.0
/* Fields of a frame in nft's words; where nft 1.0.6 has none, as raw bits of a header. */
#include "cni-plugin/policy/ruleset_internal.h"

#include <arpa/inet.h>
#include <inttypes.h>

enum format { DECIMAL, HEX, ADDRESS4, ADDRESS6, PROTOCOL };

static const struct field_row {
	const char *name;
	enum format format;
} rows[] = {
	[RULESET_ETHER_SOURCE] = { "ether saddr", HEX },
	[RULESET_ETHER_TYPE] = { "ether type", HEX },
	[RULESET_ARP_HARDWARE] = { "arp htype", DECIMAL },
	[RULESET_ARP_PROTOCOL] = { "arp ptype", HEX },
	[RULESET_ARP_LENGTHS] = { "@nh,32,16", HEX },
	[RULESET_ARP_OPERATION] = { "arp operation", DECIMAL },
	[RULESET_ARP_SOURCE_MAC] = { "arp saddr ether", HEX },
	[RULESET_ARP_SOURCE] = { "arp saddr ip", ADDRESS4 },
	[RULESET_ARP_TARGET] = { "arp daddr ip", ADDRESS4 },
	[RULESET_IPV4_SOURCE] = { "ip saddr", ADDRESS4 },
	[RULESET_IPV4_DESTINATION] = { "ip daddr", ADDRESS4 },
	[RULESET_IPV6_LENGTH] = { "ip6 length", DECIMAL },
	[RULESET_IPV6_NEXT] = { "ip6 nexthdr", PROTOCOL },
	[RULESET_IPV6_SOURCE] = { "ip6 saddr", ADDRESS6 },
	[RULESET_IPV6_FRAGMENT] = { "frag frag-off", DECIMAL },
	[RULESET_TRANSPORT] = { "meta l4proto", PROTOCOL },
	[RULESET_SOURCE_PORT] = { "th sport", DECIMAL },
	[RULESET_DESTINATION_PORT] = { "th dport", DECIMAL },
	[RULESET_ICMPV6] = { "icmpv6 type", DECIMAL },
	[RULESET_ND_TARGET] = { "@th,64,128", HEX },
	[RULESET_ND_OPTION] = { "@th,192,16", HEX },
	[RULESET_ND_OPTION_MAC] = { "@th,208,48", HEX },
	[RULESET_RS_OPTION] = { "@th,64,16", HEX },
	[RULESET_RS_OPTION_MAC] = { "@th,80,48", HEX },
};

const char *field_name(enum ruleset_field field)
{
	return rows[field].name;
}

static void print_number(enum format format, uint32_t number, struct buf *out)
{
	const uint32_t address[4] = { htonl(number) };

	switch (format) {
	case DECIMAL:
		buf_printf(out, "%" PRIu32, number);
		break;
	case HEX:
		buf_printf(out, "0x%04" PRIx32, number);
		break;
	case ADDRESS4:
		print_address((const uint8_t *)address, false, out);
		break;
	case ADDRESS6: /* nobody compares with another one than :: */
		buf_string(out, number == 0 ? "::" : "?");
		break;
	case PROTOCOL:
		print_protocol((uint8_t)number, out);
		break;
	}
}

void field_print(const struct ruleset_match *match, struct buf *out)
{
	const struct field_row *row = &rows[match->field];

	buf_printf(out, "%s ", row->name);
	print_number(row->format, match->first, out);
	if (match->first == match->last)
		return;
	buf_byte(out, '-');
	print_number(row->format, match->last, out);
}
