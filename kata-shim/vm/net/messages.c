// SPDX-License-Identifier: Apache-2.0
#include "kata-shim/vm/net/messages.h"

#include <arpa/inet.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CIDR_TEXT (NETWORK_IP_TEXT + 4)
#define MAC_TEXT 18
#define PREFIX_TEXT 4

/* Each message with the texts that it points to. */
struct address_row {
	Agent__IPAddress message;
	char ip[NETWORK_IP_TEXT], prefix[PREFIX_TEXT];
};

struct interface_row {
	Agent__Interface message;
	Agent__IPAddress *addresses[NETWORK_ADDRESSES_MAX];
	char name[IF_NAMESIZE], mac[MAC_TEXT];
};

struct route_row {
	Agent__Route message;
	char destination[CIDR_TEXT], gateway[NETWORK_IP_TEXT], source[CIDR_TEXT];
};

struct neighbour_row {
	Agent__ARPNeighbor message;
	Agent__IPAddress to;
	char ip[NETWORK_IP_TEXT], mac[MAC_TEXT];
};

/* What is not used of it is never touched, and so takes no memory. */
struct block {
	struct net_messages messages; /* the first, so that to free it is to free all */
	Agent__Interface *interface_pointers[NETWORK_LINKS_MAX];
	Agent__Route *route_pointers[NETWORK_ROUTES_MAX];
	Agent__ARPNeighbor *neighbour_pointers[NETWORK_NEIGHBOURS_MAX];
	struct interface_row interfaces[NETWORK_LINKS_MAX];
	struct address_row addresses[NETWORK_ADDRESSES_MAX];
	struct route_row routes[NETWORK_ROUTES_MAX];
	struct neighbour_row neighbours[NETWORK_NEIGHBOURS_MAX];
};

static char empty[] = ""; /* protobuf-c's own default is const */
static char veth[] = "veth";

static Agent__IPFamily family_of(uint8_t family)
{
	return family == AF_INET6 ? AGENT__IPFAMILY__V6 : AGENT__IPFAMILY__V4;
}

static uint8_t whole(const struct network_ip *ip)
{
	return ip->family == AF_INET ? 32 : 128;
}

static void format_mac(const uint8_t mac[static ETHER_ADDR_LEN], char text[static MAC_TEXT])
{
	snprintf(text, MAC_TEXT, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
}

/* ── interfaces ── */

static bool is_route_of(const struct network_route *route, const struct network_address *address)
{
	const struct network_ip net = network_ip_masked(&address->ip, address->prefix);

	return route->link == address->link && route->protocol == RTPROT_KERNEL && route->prefix == address->prefix &&
	       network_ip_equals(&net, &route->destination);
}

/*
 * The guest's kernel makes a route to the address's network. Where the pod has none (the plugin "ptp" takes it away, because all goes by
 * the gateway) the guest may have none either, and gets the address alone.
 */
static bool is_alone(const struct network *network, const struct network_address *address)
{
	if (address->peer.family || (address->flags & IFA_F_NOPREFIXROUTE))
		return true;
	for (size_t i = 0; i < network->n_routes; i++) {
		if (is_route_of(&network->routes[i], address))
			return false;
	}
	return true;
}

static void put_address(const struct network *network, const struct network_address *address, struct address_row *row)
{
	const bool alone = is_alone(network, address);

	agent__ipaddress__init(&row->message);
	network_ip_format(&address->ip, row->ip);
	snprintf(row->prefix, sizeof(row->prefix), "%u", alone ? whole(&address->ip) : address->prefix);
	row->message.family = family_of(address->ip.family);
	row->message.address = row->ip;
	row->message.mask = row->prefix;
}

static void put_interface(const struct network *network, const struct network_link *link, struct address_row *addresses,
			  struct interface_row *row)
{
	Agent__Interface *message = &row->message;

	agent__interface__init(message);
	memcpy(row->name, link->name, sizeof(row->name));
	format_mac(link->mac, row->mac);
	message->device = message->name = row->name;
	message->hw_addr = row->mac;
	message->mtu = link->mtu;
	message->raw_flags = link->flags & IFF_NOARP;
	message->type = veth;
	message->device_path = empty;
	message->ip_addresses = row->addresses;
	for (size_t i = 0; i < network->n_addresses; i++) {
		if (network->addresses[i].link != link->index)
			continue;
		put_address(network, &network->addresses[i], &addresses[i]);
		row->addresses[message->n_ip_addresses++] = &addresses[i].message;
	}
}

static void put_interfaces(const struct network *network, struct block *block)
{
	block->messages.interfaces = block->interface_pointers;
	for (size_t i = 0; i < network->n_links; i++) {
		put_interface(network, &network->links[i], block->addresses, &block->interfaces[i]);
		block->interface_pointers[i] = &block->interfaces[i].message;
	}
	block->messages.n_interfaces = network->n_links;
}

/* ── routes ── */

static bool is_same_destination(const struct network_route *a, const struct network_route *b)
{
	return a->family == b->family && a->prefix == b->prefix &&
	       memcmp(a->destination.bytes, b->destination.bytes, sizeof(a->destination.bytes)) == 0;
}

/* Of two with one metric the kernel uses the first. */
static bool is_best(const struct network *network, size_t route)
{
	const struct network_route *own = &network->routes[route];

	for (size_t i = 0; i < network->n_routes; i++) {
		const struct network_route *other = &network->routes[i];
		if (i != route && is_same_destination(own, other) &&
		    (other->metric < own->metric || (other->metric == own->metric && i < route)))
			return false;
	}
	return true;
}

/* The guest's kernel makes it, too, when it gets the address that it is of. */
static bool is_made_by_kernel(const struct network *network, const struct network_route *route)
{
	if (route->protocol != RTPROT_KERNEL)
		return false;
	for (size_t i = 0; i < network->n_addresses; i++) {
		const struct network_address *address = &network->addresses[i];
		bool is_net = is_route_of(route, address);
		bool is_itself = route->prefix == whole(&address->ip) && network_ip_equals(&address->ip, &route->destination);
		if (address->link == route->link && (is_net || is_itself))
			return true;
	}
	return false;
}

static void put_route(const struct network_route *route, char *device, struct route_row *row)
{
	Agent__Route *message = &row->message;
	char ip[NETWORK_IP_TEXT];

	agent__route__init(message);
	network_ip_format(&route->destination, ip);
	if (route->prefix > 0)
		snprintf(row->destination, sizeof(row->destination), "%s/%u", ip, route->prefix);
	if (route->gateway.family)
		network_ip_format(&route->gateway, row->gateway);
	network_ip_format(&route->source, ip);
	if (route->source.family)
		snprintf(row->source, sizeof(row->source), "%s/0", ip);
	message->dest = row->destination;
	message->gateway = row->gateway;
	message->source = row->source;
	message->device = device;
	message->scope = route->scope;
	message->family = family_of(route->family);
	message->flags = route->flags & RTNH_F_ONLINK;
	message->mtu = route->mtu;
}

static char *name_in(struct block *block, const struct network *network, unsigned link)
{
	return block->interfaces[network_link(network, link) - network->links].name;
}

static void put_routes(const struct network *network, bool with_gateway, struct block *block)
{
	Agent__Routes *routes = &block->messages.routes;

	for (size_t i = 0; i < network->n_routes; i++) {
		const struct network_route *route = &network->routes[i];
		if ((route->gateway.family != 0) != with_gateway || !network_link(network, route->link) || !is_best(network, i) ||
		    is_made_by_kernel(network, route))
			continue;
		struct route_row *row = &block->routes[routes->n_routes];
		put_route(route, name_in(block, network, route->link), row);
		block->route_pointers[routes->n_routes++] = &row->message;
	}
}

/* ── neighbours ── */

static void put_neighbour(const struct network_neighbour *neighbour, char *device, struct neighbour_row *row)
{
	agent__arpneighbor__init(&row->message);
	agent__ipaddress__init(&row->to);
	network_ip_format(&neighbour->ip, row->ip);
	format_mac(neighbour->mac, row->mac);
	row->to.family = family_of(neighbour->ip.family);
	row->to.address = row->ip;
	row->message.to_ip_address = &row->to;
	row->message.device = device;
	row->message.lladdr = row->mac;
	row->message.state = neighbour->state;
	row->message.flags = neighbour->flags;
}

static void put_neighbours(const struct network *network, struct block *block)
{
	Agent__ARPNeighbors *neighbours = &block->messages.neighbours;

	for (size_t i = 0; i < network->n_neighbours; i++) {
		const struct network_neighbour *neighbour = &network->neighbours[i];
		if (!network_link(network, neighbour->link))
			continue;
		struct neighbour_row *row = &block->neighbours[neighbours->n_arp_neighbors];
		put_neighbour(neighbour, name_in(block, network, neighbour->link), row);
		block->neighbour_pointers[neighbours->n_arp_neighbors++] = &row->message;
	}
}

int net_messages_new(const struct network *network, struct net_messages **ret, struct error *err)
{
	struct block *block = calloc(1, sizeof(*block));

	if (!block)
		return error_nomem(err);
	agent__routes__init(&block->messages.routes);
	agent__arpneighbors__init(&block->messages.neighbours);
	block->messages.routes.routes = block->route_pointers;
	block->messages.neighbours.arp_neighbors = block->neighbour_pointers;
	put_interfaces(network, block);
	put_routes(network, false, block);
	put_routes(network, true, block);
	put_neighbours(network, block);
	*ret = &block->messages;
	return 0;
}

void net_messages_free(struct net_messages *messages)
{
	free(messages);
}
