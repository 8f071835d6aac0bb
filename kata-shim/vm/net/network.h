// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_VM_NETWORK_H
#define HOLDFAST_VM_NETWORK_H

#include <net/ethernet.h>
#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What a CNI has put into a pod's network namespace, as the guest is to have it: plain data. Numbers are the kernel's (linux/rtnetlink.h,
 * linux/if_addr.h, linux/neighbour.h). A namespace with more than the limits is refused by name, never cut.
 */
#define NETWORK_LINKS_MAX 8
#define NETWORK_ADDRESSES_MAX 64 /* of all links */
#define NETWORK_ROUTES_MAX 256
#define NETWORK_NEIGHBOURS_MAX 256
#define NETWORK_KIND_MAX 16

/* IPv4 in the first four bytes, the rest zero. */
struct network_ip {
	uint8_t family; /* AF_INET, AF_INET6; 0: none */
	uint8_t bytes[16];
};

struct network_link {
	unsigned index;
	char name[IF_NAMESIZE];
	char kind[NETWORK_KIND_MAX];   /* "veth"; "" for a physical device */
	char master[NETWORK_KIND_MAX]; /* "bridge" if it is a port of one; "" if it has no master */
	uint8_t mac[ETHER_ADDR_LEN];
	uint32_t mtu;
	uint32_t flags; /* IFF_* */
};

struct network_address {
	unsigned link; /* its index */
	struct network_ip ip, peer; /* peer: of a point-to-point address, else none */
	uint8_t prefix;             /* the peer's, if there is one */
	uint8_t scope;              /* RT_SCOPE_* */
	uint32_t flags;             /* IFA_F_* */
};

struct network_route {
	unsigned link;
	struct network_ip destination, gateway, source; /* destination none or prefix 0: the default; gateway and source may be none */
	uint8_t family, prefix;
	uint8_t type, scope, protocol; /* RTN_*, RT_SCOPE_*, RTPROT_* */
	uint32_t table;                /* RT_TABLE_* */
	uint32_t flags;                /* RTNH_F_ONLINK, RTM_F_CLONED */
	uint32_t metric;               /* 0 if it has none */
	uint32_t mtu;                  /* 0 if it has none */
	bool beyond; /* it has what no field here can say: several next hops, an encapsulation, a gateway of the other family */
};

struct network_neighbour {
	unsigned link;
	struct network_ip ip;
	uint8_t mac[ETHER_ADDR_LEN];
	uint16_t state; /* NUD_* */
	uint8_t flags;  /* NTF_* */
};

struct network {
	struct network_link links[NETWORK_LINKS_MAX]; /* all but the loopback, and what nobody has configured (tunl0, sit0 …) */
	struct network_address addresses[NETWORK_ADDRESSES_MAX];
	struct network_route routes[NETWORK_ROUTES_MAX]; /* the main table's */
	struct network_neighbour neighbours[NETWORK_NEIGHBOURS_MAX]; /* the permanent ones */
	size_t n_links, n_addresses, n_routes, n_neighbours;
};

#endif
