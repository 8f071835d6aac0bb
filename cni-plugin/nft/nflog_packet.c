// SPDX-License-Identifier: Apache-2.0
/*
 * The bytes come from pods, so every length is compared with what is left before it is used:
 *
 *	nlmsghdr | nfgenmsg | attributes: PACKET_HDR, PREFIX, IFINDEX_INDEV, PAYLOAD = IP header [extension headers] [ports …]
 */
#include "cni-plugin/nft/nflog_packet.h"

#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <string.h>

#include "common/base/slice.h"

#define EXTENSIONS_MAX 8
#define FRAGMENT_OFFSET 0x1fff  /* RFC 791 */
#define FRAGMENT_OFFSET6 0xfff8 /* RFC 8200 4.5 */
#define FRAGMENT_HEADER_SIZE 8

static bool skip(struct slice *bytes, size_t n)
{
	if (n > bytes->n)
		return false;
	*bytes = slice_from(bytes->p + n, bytes->n - n);
	return true;
}

static bool protocol_has_ports(uint8_t protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP || protocol == IPPROTO_DCCP ||
	       protocol == IPPROTO_UDPLITE;
}

static void take_ports(struct slice bytes, struct nflog_packet *ret)
{
	uint16_t ports[2];

	if (!protocol_has_ports(ret->protocol) || bytes.n < sizeof(ports))
		return;
	memcpy(ports, bytes.p, sizeof(ports));
	ret->source_port = ntohs(ports[0]);
	ret->destination_port = ntohs(ports[1]);
	ret->has_ports = true;
}

static void take_address(int family, const void *bytes, size_t n, struct kube_address *ret)
{
	ret->family = (uint8_t)family;
	memcpy(ret->bytes, bytes, n);
}

static void take_ipv4(struct slice bytes, struct nflog_packet *ret)
{
	struct iphdr header;

	if (bytes.n < sizeof(header))
		return;
	memcpy(&header, bytes.p, sizeof(header));
	take_address(AF_INET, &header.saddr, sizeof(header.saddr), &ret->source);
	take_address(AF_INET, &header.daddr, sizeof(header.daddr), &ret->destination);
	ret->protocol = header.protocol;
	if ((ntohs(header.frag_off) & FRAGMENT_OFFSET) == 0 && header.ihl * 4u >= sizeof(header) && skip(&bytes, header.ihl * 4u))
		take_ports(bytes, ret);
}

/* Steps over one extension header; false if this is none, or ports cannot follow. */
static bool skip_extension(struct slice *bytes, uint8_t *protocol)
{
	uint16_t offset;
	size_t n;

	if (bytes->n < FRAGMENT_HEADER_SIZE)
		return false;
	switch (*protocol) {
	case IPPROTO_HOPOPTS:
	case IPPROTO_ROUTING:
	case IPPROTO_DSTOPTS:
		n = ((size_t)bytes->p[1] + 1) * 8;
		break;
	case IPPROTO_FRAGMENT:
		memcpy(&offset, bytes->p + 2, sizeof(offset));
		n = ntohs(offset) & FRAGMENT_OFFSET6 ? bytes->n : FRAGMENT_HEADER_SIZE;
		break;
	default:
		return false;
	}
	*protocol = bytes->p[0];
	return skip(bytes, n) && bytes->n > 0;
}

static void take_ipv6(struct slice bytes, struct nflog_packet *ret)
{
	struct ip6_hdr header;

	if (bytes.n < sizeof(header))
		return;
	memcpy(&header, bytes.p, sizeof(header));
	take_address(AF_INET6, &header.ip6_src, sizeof(header.ip6_src), &ret->source);
	take_address(AF_INET6, &header.ip6_dst, sizeof(header.ip6_dst), &ret->destination);
	ret->protocol = header.ip6_nxt;
	skip(&bytes, sizeof(header));
	for (int i = 0; i < EXTENSIONS_MAX && skip_extension(&bytes, &ret->protocol); i++)
		;
	take_ports(bytes, ret);
}

static void take_payload(struct slice bytes, struct nflog_packet *ret)
{
	if (bytes.n == 0)
		return;
	if (bytes.p[0] >> 4 == 4)
		take_ipv4(bytes, ret);
	else if (bytes.p[0] >> 4 == 6)
		take_ipv6(bytes, ret);
}

bool nflog_packet_parse(const struct nlmsghdr *message, struct nflog_packet *ret)
{
	struct nflog_packet packet = {};
	const struct nfulnl_msg_packet_hdr *head;
	const struct nlattr *attribute;

	if (message->nlmsg_type != (NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_PACKET) ||
	    mnl_nlmsg_get_payload_len(message) < sizeof(struct nfgenmsg))
		return false;
	mnl_attr_for_each(attribute, message, sizeof(struct nfgenmsg)) {
		uint16_t type = mnl_attr_get_type(attribute);

		if (type == NFULA_PREFIX && mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) == 0)
			strncpy(packet.prefix, mnl_attr_get_str(attribute), NFLOG_PREFIX_MAX);
		if (type == NFULA_IFINDEX_INDEV && mnl_attr_validate(attribute, MNL_TYPE_U32) == 0)
			packet.interface = ntohl(mnl_attr_get_u32(attribute));
		if (type == NFULA_PACKET_HDR && mnl_attr_get_payload_len(attribute) >= sizeof(*head)) {
			head = mnl_attr_get_payload(attribute);
			packet.ethertype = ntohs(head->hw_protocol);
		}
		if (type == NFULA_PAYLOAD)
			take_payload(slice_from(mnl_attr_get_payload(attribute), mnl_attr_get_payload_len(attribute)), &packet);
	}
	*ret = packet;
	return true;
}
