// SPDX-License-Identifier: Apache-2.0
/* A card is found by its MAC address: its name is the guest kernel's idea, and the order of cards the VMM's. */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "common/base/array.h"
#include "common/base/buf.h"
#include "common/base/show.h"
#include "kata-shim/guest/address.h"
#include "kata-shim/guest/network.h"
#include "kata-shim/guest/rtnl.h"

#define MTU_MIN 68 /* RFC 791 */
#define MTU_MAX 65535
#define LINK_TEXT_MAX 512

int link_index(const char *name, uint32_t *ret, struct error *err)
{
	*ret = if_nametoindex(name);
	return *ret ? 0 : error_set(err, ENODEV, "the guest has no network card \"%s\"", SHOW(slice_string(name)));
}

/* ── Which card ── */

struct link_search {
	uint8_t mac[MAC_SIZE];
	uint32_t index; /* 0: not found */
	char name[IF_NAMESIZE];
	struct buf others; /* for the message */
};

static int look_at_link(void *context, const struct nlmsghdr *message, struct error *err)
{
	struct link_search *search = context;
	const struct ifinfomsg *link = NLMSG_DATA(message);

	if (message->nlmsg_type != RTM_NEWLINK || message->nlmsg_len < NLMSG_LENGTH(sizeof(*link)))
		return 0;
	const struct rtattr *mac = rtnl_find(message, sizeof(*link), IFLA_ADDRESS, MAC_SIZE);
	const struct rtattr *name = rtnl_find(message, sizeof(*link), IFLA_IFNAME, 1);
	if (!mac || !name || RTA_PAYLOAD(name) > IF_NAMESIZE)
		return 0;
	const uint8_t *at = RTA_DATA(mac);
	if (memcmp(at, search->mac, MAC_SIZE) == 0) {
		search->index = (uint32_t)link->ifi_index;
		memcpy(search->name, RTA_DATA(name), RTA_PAYLOAD(name));
	} else {
		buf_printf(&search->others, " %.*s %02x:%02x:%02x:%02x:%02x:%02x", (int)RTA_PAYLOAD(name), (const char *)RTA_DATA(name),
			   at[0], at[1], at[2], at[3], at[4], at[5]);
	}
	return 0;
}

static int find_link(const char *hw_addr, struct link_search *search, struct error *err)
{
	const struct ifinfomsg all = { .ifi_family = AF_UNSPEC };

	*search = (struct link_search){ .others = BUF_MAX(LINK_TEXT_MAX) };
	int r = mac_read(hw_addr, search->mac, err);
	if (r == 0)
		r = rtnl_dump(RTM_GETLINK, &all, sizeof(all), look_at_link, search, err);
	if (r == 0 && !search->index)
		r = error_set(err, ENODEV, "the guest has no network card with the address %s; there are:%s", hw_addr,
			      buf_text(&search->others));
	buf_free(&search->others);
	return r;
}

/* ── Name, MTU, up ── */

static int change_link(uint32_t index, unsigned flags, unsigned mask, const char *name, uint32_t mtu, struct error *err)
{
	const struct ifinfomsg link = { .ifi_family = AF_UNSPEC, .ifi_index = (int)index, .ifi_flags = flags, .ifi_change = mask };
	struct rtnl_request request;

	rtnl_begin(&request, RTM_NEWLINK, 0, &link, sizeof(link));
	if (name)
		rtnl_add(&request, IFLA_IFNAME, name, strlen(name) + 1);
	if (mtu)
		rtnl_add_u32(&request, IFLA_MTU, mtu);
	return rtnl_run(&request, err);
}

/* A card can be renamed while it is down. */
static int give_name_away(const char *name, struct error *err)
{
	uint32_t index = if_nametoindex(name);
	char other[IF_NAMESIZE];

	if (!index)
		return 0;
	snprintf(other, sizeof(other), "was%u", index);
	int r = change_link(index, 0, IFF_UP, NULL, 0, err);
	if (r == 0)
		r = change_link(index, 0, 0, other, 0, err);
	return r < 0 ? error_wrap(err, "cannot rename the card that has the name now") : 0;
}

static int set_link(const Agent__Interface *interface, const struct link_search *link, struct error *err)
{
	const unsigned noarp = interface->raw_flags & IFF_NOARP;
	const bool renamed = strcmp(link->name, interface->name) != 0;
	int r = 0;

	if (renamed)
		r = give_name_away(interface->name, err);
	if (r == 0 && renamed)
		r = change_link(link->index, 0, IFF_UP, NULL, 0, err);
	if (r == 0)
		r = change_link(link->index, IFF_UP | noarp, IFF_UP | noarp, renamed ? interface->name : NULL, (uint32_t)interface->mtu,
				err);
	return r;
}

int network_loopback_up(struct error *err)
{
	uint32_t index;

	int r = link_index("lo", &index, err);
	if (r == 0)
		r = change_link(index, IFF_UP, IFF_UP, NULL, 0, err);
	return r < 0 ? error_wrap(err, "loopback") : 0;
}

/* ── Addresses ── */

static int change_address(uint32_t index, uint16_t type, const struct guest_address *address, struct error *err)
{
	const size_t n = address_size(address);
	const struct ifaddrmsg header = { .ifa_family = address->family, .ifa_prefixlen = address->prefix, .ifa_index = index };
	struct rtnl_request request;

	rtnl_begin(&request, type, type == RTM_NEWADDR ? NLM_F_CREATE | NLM_F_REPLACE : 0, &header, sizeof(header));
	rtnl_add(&request, IFA_LOCAL, address->bytes, n);
	rtnl_add(&request, IFA_ADDRESS, address->bytes, n);
	if (address->family == AF_INET && address->prefix < 31) {
		uint32_t broadcast, host = htonl(UINT32_MAX >> address->prefix);

		memcpy(&broadcast, address->bytes, sizeof(broadcast));
		rtnl_add_u32(&request, IFA_BROADCAST, broadcast | host);
	}
	if (address->family == AF_INET6)
		rtnl_add_u32(&request, IFA_FLAGS, IFA_F_NODAD);
	return rtnl_run(&request, err);
}

struct address_list {
	uint32_t index;
	struct guest_address items[NETWORK_ADDRESSES_MAX];
	size_t n;
};

static bool is_same(const struct guest_address *a, const struct guest_address *b)
{
	return a->family == b->family && a->prefix == b->prefix && memcmp(a->bytes, b->bytes, address_size(a)) == 0;
}

static bool has_address(const struct address_list *list, const struct guest_address *address)
{
	for (size_t i = 0; i < list->n; i++) {
		if (is_same(&list->items[i], address))
			return true;
	}
	return false;
}

static int read_addresses(const Agent__Interface *interface, struct address_list *ret, struct error *err)
{
	if (interface->n_ip_addresses > NETWORK_ADDRESSES_MAX)
		return error_set(err, E2BIG, "%zu addresses: at most %d are taken", interface->n_ip_addresses, NETWORK_ADDRESSES_MAX);
	for (size_t i = 0; i < interface->n_ip_addresses; i++) {
		const Agent__IPAddress *text = interface->ip_addresses[i];
		struct guest_address *address = &ret->items[ret->n++];

		int r = address_read(text->address, address, err);
		if (r == 0)
			r = address_read_mask(text->mask, address, err);
		if (r < 0)
			return r;
	}
	return 0;
}

struct present {
	const struct address_list *wanted;
	struct address_list surplus;
};

static int look_at_address(void *context, const struct nlmsghdr *message, struct error *err)
{
	struct present *present = context;
	const struct ifaddrmsg *header = NLMSG_DATA(message);
	struct guest_address address = {};

	if (message->nlmsg_type != RTM_NEWADDR || message->nlmsg_len < NLMSG_LENGTH(sizeof(*header)) ||
	    header->ifa_index != present->wanted->index || (header->ifa_family != AF_INET && header->ifa_family != AF_INET6))
		return 0;
	address.family = header->ifa_family;
	address.prefix = header->ifa_prefixlen;
	const struct rtattr *bytes =
		rtnl_find(message, sizeof(*header), address.family == AF_INET ? IFA_LOCAL : IFA_ADDRESS, address_size(&address));
	if (!bytes)
		return 0;
	memcpy(address.bytes, RTA_DATA(bytes), address_size(&address));
	if (!address_is_link_local(&address) && !has_address(present->wanted, &address) && present->surplus.n < NETWORK_ADDRESSES_MAX)
		present->surplus.items[present->surplus.n++] = address;
	return 0;
}

static int set_addresses(const struct address_list *wanted, struct error *err)
{
	const struct ifaddrmsg all = { .ifa_family = AF_UNSPEC };
	struct present present = { .wanted = wanted };

	int r = rtnl_dump(RTM_GETADDR, &all, sizeof(all), look_at_address, &present, err);
	for (size_t i = 0; r == 0 && i < present.surplus.n; i++)
		r = change_address(wanted->index, RTM_DELADDR, &present.surplus.items[i], err);
	for (size_t i = 0; r == 0 && i < wanted->n; i++)
		r = change_address(wanted->index, RTM_NEWADDR, &wanted->items[i], err);
	return r;
}

/* ── All of it ── */

static int check_interface(const Agent__Interface *interface, struct error *err)
{
	size_t n = strlen(interface->name);

	if (n == 0 || n >= IF_NAMESIZE || strchr(interface->name, '/'))
		return error_set(err, EINVAL, "that is no interface's name");
	if (interface->mtu && (interface->mtu < MTU_MIN || interface->mtu > MTU_MAX))
		return error_set(err, EINVAL, "MTU %llu: must be %d to %d", (unsigned long long)interface->mtu, MTU_MIN, MTU_MAX);
	return 0;
}

int network_set_interface(const Agent__Interface *interface, struct error *err)
{
	struct address_list addresses = {};
	struct link_search link;

	int r = check_interface(interface, err);
	if (r == 0)
		r = read_addresses(interface, &addresses, err);
	if (r == 0)
		r = find_link(interface->hw_addr, &link, err);
	if (r == 0)
		r = set_link(interface, &link, err);
	if (r == 0) {
		addresses.index = link.index;
		r = set_addresses(&addresses, err);
	}
	return r < 0 ? error_wrap(err, "interface \"%s\"", SHOW(slice_string(interface->name))) : 0;
}
