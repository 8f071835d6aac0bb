// SPDX-License-Identifier: Apache-2.0
#include "kata-shim/vm/net/network.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "common/base/show.h"

const struct network_link *network_link(const struct network *network, unsigned index)
{
	for (size_t i = 0; i < network->n_links; i++)
		if (network->links[i].index == index)
			return &network->links[i];
	return NULL;
}

bool network_ip_equals(const struct network_ip *a, const struct network_ip *b)
{
	return a->family == b->family && memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

void network_ip_format(const struct network_ip *ip, char text[static NETWORK_IP_TEXT])
{
	if (!ip->family || !inet_ntop(ip->family, ip->bytes, text, NETWORK_IP_TEXT))
		strcpy(text, "none");
}

struct network_ip network_ip_masked(const struct network_ip *ip, uint8_t prefix)
{
	struct network_ip masked = *ip;

	for (unsigned i = 0; i < sizeof(masked.bytes); i++) {
		if (i * 8 >= prefix)
			masked.bytes[i] = 0;
		else if (prefix - i * 8 < 8)
			masked.bytes[i] &= (uint8_t)(0xff << (8 - (prefix - i * 8)));
	}
	return masked;
}

/* ── what a guest can have ── */

static int check_kind(const struct network_link *link, struct error *err)
{
	if (strcmp(link->kind, "tun") == 0)
		return error_set(
			err, EBUSY,
			"interface %s in the pod's network namespace is a tap or tun: either another VM runs in this namespace (the pod's "
			"earlier sandbox: wait until it has ended), or a CNI made it: a VM pod needs one that makes a veth",
			link->name);
	if (strcmp(link->kind, "veth") != 0)
		return error_set(
			err, EOPNOTSUPP,
			"interface %s of the pod is of kind %s, which a VM pod cannot have: use a CNI that makes a veth (bridge, ptp, "
			"and most clusters' own), or run the pod without the RuntimeClass of VMs",
			link->name, *link->kind ? link->kind : "physical (host-device or SR-IOV)");
	if (*link->master)
		return error_set(
			err, EOPNOTSUPP,
			"interface %s of the pod is a port of kind %s inside the pod's network namespace, which a VM pod cannot have: run "
			"the pod without the RuntimeClass of VMs",
			link->name, link->master);
	return 0;
}

/* The guest's agent finds a network card by its MAC address. */
static int check_links(const struct network *network, struct error *err)
{
	int r = 0;

	for (size_t i = 0; i < network->n_links && r == 0; i++) {
		r = check_kind(&network->links[i], err);
		for (size_t j = 0; j < i && r == 0; j++)
			if (memcmp(network->links[i].mac, network->links[j].mac, ETHER_ADDR_LEN) == 0)
				r = error_set(
					err, EOPNOTSUPP,
					"interfaces %s and %s of the pod have the same MAC address, by which a VM pod tells them apart: "
					"have the CNI configure another one for one of them",
					network->links[j].name, network->links[i].name);
	}
	return r;
}

static int check_route(const struct network_route *route, struct error *err)
{
	char text[NETWORK_IP_TEXT];

	network_ip_format(&route->destination, text);
	if (route->type != RTN_UNICAST)
		return error_set(
			err, EOPNOTSUPP,
			"the pod's route to %s/%u refuses packets (blackhole, unreachable, prohibit, throw), which a VM pod cannot have: "
			"take it out of the CNI's configuration, or run the pod without the RuntimeClass of VMs",
			text, route->prefix);
	if (route->beyond)
		return error_set(
			err, EOPNOTSUPP,
			"the pod's route to %s/%u has several next hops, an encapsulation, a gateway of the other family, or is for some "
			"sources only, which a VM pod cannot have: take it out of the CNI's configuration, or run the pod without the "
			"RuntimeClass of VMs",
			text, route->prefix);
	return 0;
}

static int check_rules(const struct network *network, struct error *err)
{
	if (network->has_rules)
		return error_set(err, EOPNOTSUPP,
				 "the pod's network namespace has routing rules (`ip rule`, of CNI plugin sbr for example), which a VM pod "
				 "cannot have: "
				 "take the plugin out of the network's configuration, or run the pod without the RuntimeClass of VMs");
	if (*network->nft_table)
		return error_set(
			err, EOPNOTSUPP,
			"the pod's network namespace has rules of nftables or iptables (table \"%s\", of a service mesh's CNI plugin for "
			"example), which a VM's packets never meet: have the mesh use an init container, or run the pod without the "
			"RuntimeClass of VMs",
			SHOW(slice_string(network->nft_table)));
	return 0;
}

int network_check(const struct network *network, struct error *err)
{
	int r = check_links(network, err);

	for (size_t i = 0; i < network->n_routes && r == 0; i++)
		r = check_route(&network->routes[i], err);
	return r == 0 ? check_rules(network, err) : r;
}
