// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/array.h"
#include "common/base/cleanup.h"
#include "common/base/show.h"
#include "kata-shim/guest/address.h"
#include "kata-shim/guest/network.h"
#include "kata-shim/guest/rtnl.h"

/* ── Those that are there ── */

struct surplus {
	struct rtmsg header;
	struct guest_address destination, gateway;
	uint32_t index, metric;
};

struct surplus_list {
	struct surplus items[NETWORK_ROUTES_MAX];
	size_t n;
};

static void take_address(const struct nlmsghdr *message, uint16_t type, struct guest_address *ret)
{
	const struct rtattr *attribute = rtnl_find(message, sizeof(struct rtmsg), type, address_size(ret));

	if (attribute)
		memcpy(ret->bytes, RTA_DATA(attribute), address_size(ret));
	else
		ret->family = 0;
}

static uint32_t take_number(const struct nlmsghdr *message, uint16_t type)
{
	const struct rtattr *attribute = rtnl_find(message, sizeof(struct rtmsg), type, sizeof(uint32_t));

	return attribute ? *(const uint32_t *)RTA_DATA(attribute) : 0;
}

/* Only what somebody has set: the kernel's own go with their addresses. */
static int look_at_route(void *context, const struct nlmsghdr *message, struct error *err)
{
	struct surplus_list *list = context;
	const struct rtmsg *route = NLMSG_DATA(message);

	if (message->nlmsg_type != RTM_NEWROUTE || message->nlmsg_len < NLMSG_LENGTH(sizeof(*route)) || route->rtm_table != RT_TABLE_MAIN ||
	    route->rtm_type != RTN_UNICAST || (route->rtm_protocol != RTPROT_STATIC && route->rtm_protocol != RTPROT_BOOT) ||
	    (route->rtm_family != AF_INET && route->rtm_family != AF_INET6) || list->n == NETWORK_ROUTES_MAX)
		return 0;
	struct surplus *item = &list->items[list->n++];
	*item = (struct surplus){ .header = *route, .destination.family = route->rtm_family, .gateway.family = route->rtm_family };
	take_address(message, RTA_DST, &item->destination);
	take_address(message, RTA_GATEWAY, &item->gateway);
	item->index = take_number(message, RTA_OIF);
	item->metric = take_number(message, RTA_PRIORITY);
	return 0;
}

static int remove_route(const struct surplus *route, struct error *err)
{
	struct rtnl_request request;

	rtnl_begin(&request, RTM_DELROUTE, 0, &route->header, sizeof(route->header));
	if (route->destination.family)
		rtnl_add(&request, RTA_DST, route->destination.bytes, address_size(&route->destination));
	if (route->gateway.family)
		rtnl_add(&request, RTA_GATEWAY, route->gateway.bytes, address_size(&route->gateway));
	rtnl_add_u32(&request, RTA_OIF, route->index);
	rtnl_add_u32(&request, RTA_PRIORITY, route->metric);
	int r = rtnl_run(&request, err);
	return r == -ESRCH ? 0 : r; /* it has gone with another */
}

static int remove_routes(struct error *err)
{
	_cleanup_free_ struct surplus_list *list = calloc(1, sizeof(*list));
	const struct rtmsg all = { .rtm_family = AF_UNSPEC };

	if (!list)
		return error_nomem(err);
	int r = rtnl_dump(RTM_GETROUTE, &all, sizeof(all), look_at_route, list, err);
	for (size_t i = 0; r == 0 && i < list->n; i++)
		r = remove_route(&list->items[i], err);
	return r;
}

/* ── Those that are wanted ── */

/* "", "default" and a prefix of nothing are the default route: of the gateway's family, or else of the message's. */
static int read_destination(const Agent__Route *route, const struct guest_address *gateway, struct guest_address *ret, struct error *err)
{
	if (*route->dest && strcmp(route->dest, "default") != 0)
		return address_read_cidr(route->dest, ret, err);
	*ret = (struct guest_address){ .family = route->family == AGENT__IPFAMILY__V6 ? AF_INET6 : AF_INET };
	if (gateway->family)
		ret->family = gateway->family;
	return 0;
}

static int read_source(const char *text, struct guest_address *ret, struct error *err)
{
	int r = *text ? address_read_cidr(text, ret, err) : 0;

	if (r == 0 && ret->family && ret->prefix != 0 && ret->prefix != address_size(ret) * 8)
		return error_set(err, EINVAL, "\"%s\" is a range: routes by source are not made", SHOW(slice_string(text)));
	return r;
}

static void add_mtu(struct rtnl_request *request, uint32_t mtu)
{
	size_t nest = rtnl_open_nest(request, RTA_METRICS);

	rtnl_add_u32(request, RTAX_MTU, mtu);
	rtnl_close_nest(request, nest);
}

static int write_route(const Agent__Route *route, struct rtnl_request *request, struct error *err)
{
	struct guest_address destination = {}, gateway = {}, source = {};
	uint32_t index;

	int r = *route->gateway ? address_read(route->gateway, &gateway, err) : 0;
	if (r == 0)
		r = read_destination(route, &gateway, &destination, err);
	if (r == 0)
		r = read_source(route->source, &source, err);
	if (r == 0)
		r = link_index(route->device, &index, err);
	if (r < 0)
		return r;
	if ((gateway.family && gateway.family != destination.family) || (source.family && source.family != destination.family))
		return error_set(err, EINVAL, "its addresses are of both families");
	if (route->scope > RT_SCOPE_NOWHERE)
		return error_set(err, EINVAL, "scope %u is above %d", route->scope, RT_SCOPE_NOWHERE);
	const struct rtmsg header = {
		.rtm_family = destination.family,
		.rtm_dst_len = destination.prefix,
		.rtm_table = RT_TABLE_MAIN,
		.rtm_protocol = RTPROT_STATIC,
		.rtm_scope = (uint8_t)route->scope,
		.rtm_type = RTN_UNICAST,
		.rtm_flags = route->flags & RTNH_F_ONLINK,
	};
	/* In IPv6 to replace would take the kernel's own, whose metric is another; in IPv4 the kernel's own is the same route. */
	rtnl_begin(request, RTM_NEWROUTE, NLM_F_CREATE | (destination.family == AF_INET ? NLM_F_REPLACE : NLM_F_EXCL), &header,
		   sizeof(header));
	if (destination.prefix)
		rtnl_add(request, RTA_DST, destination.bytes, address_size(&destination));
	if (gateway.family)
		rtnl_add(request, RTA_GATEWAY, gateway.bytes, address_size(&gateway));
	if (source.family)
		rtnl_add(request, RTA_PREFSRC, source.bytes, address_size(&source));
	rtnl_add_u32(request, RTA_OIF, index);
	if (route->mtu)
		add_mtu(request, route->mtu);
	return 0;
}

/* 1: not yet, as nothing leads to its gateway. */
static int add_route(const Agent__Route *route, struct error *err)
{
	struct rtnl_request request;

	int r = write_route(route, &request, err);
	if (r == 0)
		r = rtnl_run(&request, err);
	if (r == -EEXIST)
		return 0;
	if (*route->gateway && (r == -ENETUNREACH || r == -EHOSTUNREACH || r == -EINVAL))
		return 1;
	return r;
}

/* Each turn adds what can be added; a turn that adds nothing ends in the error of the first that is left. */
static int add_routes(const Agent__Routes *routes, bool *added, struct error *err)
{
	const size_t n = routes->n_routes;

	for (size_t left = n, before = n + 1; left > 0 && left < before;) {
		struct error first = {};

		before = left;
		for (size_t i = 0; i < n; i++) {
			const Agent__Route *route = routes->routes[i];
			int r = added[i] ? 0 : add_route(route, err);

			if (r != 0)
				error_wrap(err, "route %zu to \"%s\" via \"%s\" dev \"%s\"", i, SHOW(slice_string(route->dest)),
					   SHOW(slice_string(route->gateway)), SHOW(slice_string(route->device)));
			if (r < 0)
				return r;
			if (r > 0 && !first.code)
				first = *err;
			left -= r == 0 && !added[i];
			added[i] |= r == 0;
		}
		*err = first;
	}
	return err->code ? -err->code : 0;
}

int network_set_routes(const Agent__Routes *routes, struct error *err)
{
	if (routes->n_routes > NETWORK_ROUTES_MAX)
		return error_set(err, E2BIG, "%zu routes: at most %d are taken", routes->n_routes, NETWORK_ROUTES_MAX);
	_cleanup_free_ bool *added = calloc(routes->n_routes + 1, sizeof(*added));
	if (!added)
		return error_nomem(err);
	int r = remove_routes(err);
	*err = (struct error){ .code = -r };
	return r < 0 ? r : add_routes(routes, added, err);
}

/* ── Neighbours ── */

static int add_neighbor(const Agent__ARPNeighbor *neighbor, struct error *err)
{
	struct guest_address address;
	uint8_t mac[MAC_SIZE];
	uint32_t index;
	struct rtnl_request request;

	if (!neighbor->to_ip_address)
		return error_set(err, EINVAL, "it has no address");
	int r = address_read(neighbor->to_ip_address->address, &address, err);
	if (r == 0)
		r = mac_read(neighbor->lladdr, mac, err);
	if (r == 0)
		r = link_index(neighbor->device, &index, err);
	if (r < 0)
		return r;
	const struct ndmsg header = {
		.ndm_family = address.family,
		.ndm_ifindex = (int)index,
		.ndm_state = neighbor->state ? (uint16_t)neighbor->state : NUD_PERMANENT,
		.ndm_flags = (uint8_t)neighbor->flags,
		.ndm_type = RTN_UNICAST,
	};
	rtnl_begin(&request, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, &header, sizeof(header));
	rtnl_add(&request, NDA_DST, address.bytes, address_size(&address));
	rtnl_add(&request, NDA_LLADDR, mac, sizeof(mac));
	return rtnl_run(&request, err);
}

int network_set_neighbors(const Agent__ARPNeighbors *neighbors, struct error *err)
{
	if (neighbors->n_arp_neighbors > NETWORK_NEIGHBORS_MAX)
		return error_set(err, E2BIG, "%zu neighbours: at most %d are taken", neighbors->n_arp_neighbors, NETWORK_NEIGHBORS_MAX);
	for (size_t i = 0; i < neighbors->n_arp_neighbors; i++) {
		int r = add_neighbor(neighbors->arp_neighbors[i], err);
		if (r < 0)
			return error_wrap(err, "neighbour %zu", i);
	}
	return 0;
}
