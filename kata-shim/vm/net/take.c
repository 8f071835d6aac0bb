// SPDX-License-Identifier: Apache-2.0
/*
 * rtnetlink's messages → struct network. Without a socket, so that a fuzzer can speak for the kernel. Attributes are read by type and
 * length: one that is too short, or unknown, is as if it were not there.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "kata-shim/vm/net/network.h"

static int too_many(const char *what, size_t most, struct error *err)
{
	return error_set(err, E2BIG, "the pod's network namespace has more than %zu %s, which is all that a VM pod can have", most, what);
}

static bool has_u32(const struct nlattr *attr)
{
	return mnl_attr_get_payload_len(attr) >= sizeof(uint32_t);
}

static void copy_text(const struct nlattr *attr, char *to, size_t size)
{
	size_t n = strnlen(mnl_attr_get_payload(attr), mnl_attr_get_payload_len(attr));

	if (n >= size)
		n = size - 1;
	memcpy(to, mnl_attr_get_payload(attr), n);
	to[n] = 0;
}

static void copy_mac(const struct nlattr *attr, uint8_t mac[static ETHER_ADDR_LEN])
{
	if (mnl_attr_get_payload_len(attr) == ETHER_ADDR_LEN)
		memcpy(mac, mnl_attr_get_payload(attr), ETHER_ADDR_LEN);
}

static size_t size_of(uint8_t family)
{
	return family == AF_INET ? 4 : 16;
}

static void copy_ip(const struct nlattr *attr, uint8_t family, struct network_ip *to)
{
	if ((family != AF_INET && family != AF_INET6) || mnl_attr_get_payload_len(attr) != size_of(family))
		return;
	*to = (struct network_ip){ .family = family };
	memcpy(to->bytes, mnl_attr_get_payload(attr), size_of(family));
}

/* ── links ── */

static void take_kind(const struct nlattr *info, struct network_link *link)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, info)
	{
		if (mnl_attr_get_type(attr) == IFLA_INFO_KIND)
			copy_text(attr, link->kind, sizeof(link->kind));
		else if (mnl_attr_get_type(attr) == IFLA_INFO_SLAVE_KIND)
			copy_text(attr, link->master, sizeof(link->master));
	}
}

static int take_link(struct network *network, const struct nlmsghdr *message, struct error *err)
{
	const struct ifinfomsg *header = mnl_nlmsg_get_payload(message);
	struct network_link link = { .index = (unsigned)header->ifi_index, .flags = header->ifi_flags };
	const struct nlattr *attr;

	if (!(link.flags & IFF_UP) || (link.flags & IFF_LOOPBACK))
		return 0;
	mnl_attr_for_each(attr, message, sizeof(*header))
	{
		uint16_t type = mnl_attr_get_type(attr);
		if (type == IFLA_IFNAME)
			copy_text(attr, link.name, sizeof(link.name));
		else if (type == IFLA_MTU && has_u32(attr))
			link.mtu = mnl_attr_get_u32(attr);
		else if (type == IFLA_ADDRESS)
			copy_mac(attr, link.mac);
		else if (type == IFLA_LINKINFO)
			take_kind(attr, &link);
	}
	if (network->n_links == NETWORK_LINKS_MAX)
		return too_many("interfaces", NETWORK_LINKS_MAX, err);
	network->links[network->n_links++] = link;
	return 0;
}

/* ── addresses ── */

/* Of a point-to-point address IFA_ADDRESS is the peer's, and IPv6 has IFA_LOCAL only then. */
static void take_both_ends(const struct network_ip *local, const struct network_ip *other, struct network_address *address)
{
	address->ip = local->family ? *local : *other;
	if (local->family && other->family && !network_ip_equals(local, other))
		address->peer = *other;
}

static bool is_for_guest(const struct network *network, const struct network_address *address)
{
	return network_link(network, address->link) && address->ip.family && address->prefix <= size_of(address->ip.family) * 8 &&
	       address->scope < RT_SCOPE_HOST && !(address->flags & (IFA_F_DADFAILED | IFA_F_TEMPORARY));
}

/* IFA_F_TEMPORARY is the same bit as IFA_F_SECONDARY, which an IPv4 address may well have. */
static uint32_t flags_of(uint8_t family, uint32_t flags)
{
	return family == AF_INET ? flags & ~(uint32_t)IFA_F_SECONDARY : flags;
}

static int take_address(struct network *network, const struct nlmsghdr *message, struct error *err)
{
	const struct ifaddrmsg *header = mnl_nlmsg_get_payload(message);
	struct network_address address = { .link = header->ifa_index, .prefix = header->ifa_prefixlen, .scope = header->ifa_scope };
	struct network_ip local = {}, other = {};
	uint32_t flags = header->ifa_flags;
	const struct nlattr *attr;

	mnl_attr_for_each(attr, message, sizeof(*header))
	{
		uint16_t type = mnl_attr_get_type(attr);
		if (type == IFA_LOCAL)
			copy_ip(attr, header->ifa_family, &local);
		else if (type == IFA_ADDRESS)
			copy_ip(attr, header->ifa_family, &other);
		else if (type == IFA_FLAGS && has_u32(attr))
			flags = mnl_attr_get_u32(attr);
	}
	address.flags = flags_of(header->ifa_family, flags);
	take_both_ends(&local, &other, &address);
	if (!is_for_guest(network, &address))
		return 0;
	if (network->n_addresses == NETWORK_ADDRESSES_MAX)
		return too_many("addresses", NETWORK_ADDRESSES_MAX, err);
	network->addresses[network->n_addresses++] = address;
	return 0;
}

/* ── routes ── */

static void take_metrics(const struct nlattr *metrics, struct network_route *route)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, metrics)
	{
		if (mnl_attr_get_type(attr) == RTAX_MTU && has_u32(attr))
			route->mtu = mnl_attr_get_u32(attr);
	}
}

static void take_route_number(const struct nlattr *attr, struct network_route *route)
{
	uint16_t type = mnl_attr_get_type(attr);

	if (!has_u32(attr))
		return;
	if (type == RTA_OIF)
		route->link = mnl_attr_get_u32(attr);
	else if (type == RTA_PRIORITY)
		route->metric = mnl_attr_get_u32(attr);
	else if (type == RTA_TABLE)
		route->table = mnl_attr_get_u32(attr);
}

static void take_route_attribute(const struct nlattr *attr, struct network_route *route)
{
	switch (mnl_attr_get_type(attr)) {
	case RTA_DST:
		copy_ip(attr, route->family, &route->destination);
		break;
	case RTA_GATEWAY:
		copy_ip(attr, route->family, &route->gateway);
		break;
	case RTA_PREFSRC:
		copy_ip(attr, route->family, &route->source);
		break;
	case RTA_METRICS:
		take_metrics(attr, route);
		break;
	case RTA_VIA:
	case RTA_MULTIPATH:
	case RTA_ENCAP_TYPE:
		route->beyond = true;
		break;
	default:
		take_route_number(attr, route);
	}
}

/* One that refuses packets has no link, or the loopback; it counts unless it is the kernel's. */
static bool is_kept(const struct network *network, const struct network_route *route)
{
	if ((route->family != AF_INET && route->family != AF_INET6) || route->table != RT_TABLE_MAIN || (route->flags & RTM_F_CLONED) ||
	    route->protocol == RTPROT_RA || route->prefix > size_of(route->family) * 8)
		return false;
	switch (route->type) {
	case RTN_UNICAST:
		return route->beyond || network_link(network, route->link);
	case RTN_BLACKHOLE:
	case RTN_UNREACHABLE:
	case RTN_PROHIBIT:
	case RTN_THROW:
		return route->protocol != RTPROT_KERNEL;
	default:
		return false;
	}
}

static int take_route(struct network *network, const struct nlmsghdr *message, struct error *err)
{
	const struct rtmsg *header = mnl_nlmsg_get_payload(message);
	struct network_route route = {
		.family = header->rtm_family,
		.prefix = header->rtm_dst_len,
		.type = header->rtm_type,
		.scope = header->rtm_scope,
		.protocol = header->rtm_protocol,
		.table = header->rtm_table,
		.flags = header->rtm_flags,
	};
	const struct nlattr *attr;

	mnl_attr_for_each(attr, message, sizeof(*header)) take_route_attribute(attr, &route);
	/* For packets from some addresses, or of some type of service, only. */
	route.beyond |= header->rtm_src_len != 0 || header->rtm_tos != 0;
	if (!is_kept(network, &route))
		return 0;
	if (network->n_routes == NETWORK_ROUTES_MAX)
		return too_many("routes", NETWORK_ROUTES_MAX, err);
	network->routes[network->n_routes++] = route;
	return 0;
}

/* ── neighbours and rules ── */

static int take_neighbour(struct network *network, const struct nlmsghdr *message, struct error *err)
{
	const struct ndmsg *header = mnl_nlmsg_get_payload(message);
	struct network_neighbour neighbour = { .link = (unsigned)header->ndm_ifindex,
					       .state = header->ndm_state,
					       .flags = header->ndm_flags };
	const struct nlattr *attr;
	bool has_mac = false;

	mnl_attr_for_each(attr, message, sizeof(*header))
	{
		if (mnl_attr_get_type(attr) == NDA_DST) {
			copy_ip(attr, header->ndm_family, &neighbour.ip);
		} else if (mnl_attr_get_type(attr) == NDA_LLADDR) {
			copy_mac(attr, neighbour.mac);
			has_mac = mnl_attr_get_payload_len(attr) == ETHER_ADDR_LEN;
		}
	}
	if (!(neighbour.state & NUD_PERMANENT) || !neighbour.ip.family || !has_mac || !network_link(network, neighbour.link))
		return 0;
	if (network->n_neighbours == NETWORK_NEIGHBOURS_MAX)
		return too_many("permanent neighbours", NETWORK_NEIGHBOURS_MAX, err);
	network->neighbours[network->n_neighbours++] = neighbour;
	return 0;
}

/* The kernel's own: 0 → local, 32766 → main, 32767 → default. Multicast routing has rules of its own, in families of its own. */
static int take_rule(struct network *network, const struct nlmsghdr *message, struct error *err)
{
	const struct fib_rule_hdr *header = mnl_nlmsg_get_payload(message);
	uint32_t priority = 0, table = header->table;
	const struct nlattr *attr;

	mnl_attr_for_each(attr, message, sizeof(*header))
	{
		if (mnl_attr_get_type(attr) == FRA_PRIORITY && has_u32(attr))
			priority = mnl_attr_get_u32(attr);
		else if (mnl_attr_get_type(attr) == FRA_TABLE && has_u32(attr))
			table = mnl_attr_get_u32(attr);
	}
	bool is_own = (priority == 0 && table == RT_TABLE_LOCAL) || (priority == 32766 && table == RT_TABLE_MAIN) ||
		      (priority == 32767 && table == RT_TABLE_DEFAULT);
	network->has_rules |= !is_own && (header->family == AF_INET || header->family == AF_INET6);
	return 0;
}

static const struct {
	uint16_t type;
	size_t header;
	int (*take)(struct network *network, const struct nlmsghdr *message, struct error *err);
} rows[] = {
	{ RTM_NEWLINK, sizeof(struct ifinfomsg), take_link },    { RTM_NEWADDR, sizeof(struct ifaddrmsg), take_address },
	{ RTM_NEWROUTE, sizeof(struct rtmsg), take_route },      { RTM_NEWNEIGH, sizeof(struct ndmsg), take_neighbour },
	{ RTM_NEWRULE, sizeof(struct fib_rule_hdr), take_rule },
};

int network_take(struct network *network, const struct nlmsghdr *message, struct error *err)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].type == message->nlmsg_type && mnl_nlmsg_get_payload_len(message) >= rows[i].header)
			return rows[i].take(network, message, err);
	return 0;
}

void network_take_nft(struct network *network, const struct nlmsghdr *message)
{
	const struct nlattr *attr;

	if (message->nlmsg_type != (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWRULE) ||
	    mnl_nlmsg_get_payload_len(message) < sizeof(struct nfgenmsg))
		return;
	mnl_attr_for_each(attr, message, sizeof(struct nfgenmsg))
	{
		if (mnl_attr_get_type(attr) == NFTA_RULE_TABLE)
			copy_text(attr, network->nft_table, sizeof(network->nft_table));
	}
}
