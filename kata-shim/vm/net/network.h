// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_VM_NETWORK_H
#define HOLDFAST_VM_NETWORK_H

#include <net/ethernet.h>
#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/error.h"

/*
 * What a CNI has put into a pod's network namespace, as the guest is to have it: plain data. Numbers are the kernel's (linux/rtnetlink.h,
 * linux/if_addr.h, linux/neighbour.h). A namespace with more than the limits is refused by name, never cut.
 */
#define NETWORK_LINKS_MAX 8
#define NETWORK_ADDRESSES_MAX 64 /* of all links */
#define NETWORK_ROUTES_MAX 256
#define NETWORK_NEIGHBOURS_MAX 256
#define NETWORK_KIND_MAX 16
#define NETWORK_IP_TEXT 46 /* INET6_ADDRSTRLEN */
#define NETWORK_TABLE_MAX 64

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
	unsigned link;              /* its index */
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
	struct network_link links[NETWORK_LINKS_MAX]; /* all that are up, without the loopback */
	struct network_address addresses[NETWORK_ADDRESSES_MAX];
	struct network_route routes[NETWORK_ROUTES_MAX];             /* the main table's */
	struct network_neighbour neighbours[NETWORK_NEIGHBOURS_MAX]; /* the permanent ones */
	size_t n_links, n_addresses, n_routes, n_neighbours;
	bool has_rules;                    /* routes are chosen by rules (ip rule) other than the kernel's own */
	char nft_table[NETWORK_TABLE_MAX]; /* one that has rules, of nft or of iptables on top of it; "" if none has */
};

struct nlmsghdr;

/*
 * Takes what one message of a dump (RTM_NEWLINK first, then RTM_NEWADDR, NEWROUTE, NEWNEIGH, NEWRULE) tells, if a guest is to have it. Left
 * out are links that are down (the tunl0 and sit0 that modules make), what is not on a link that was taken, what the kernel or a router
 * made and the guest's kernel will make or hear itself (local, broadcast and multicast routes, those of router advertisements), temporary
 * addresses and those that another host has. E2BIG: more than a limit.
 */
int network_take(struct network *network, const struct nlmsghdr *message, struct error *err) must_check;

/* The same for a dump of nf_tables' rules. */
void network_take_nft(struct network *network, const struct nlmsghdr *message);

/* EOPNOTSUPP: a guest cannot have it; the message says what and why, and what to do. */
int network_check(const struct network *network, struct error *err) must_check;

const struct network_link *network_link(const struct network *network, unsigned index); /* NULL: there is none */

bool network_ip_equals(const struct network_ip *a, const struct network_ip *b);
/* Text of an address, "none" if it is none. */
void network_ip_format(const struct network_ip *ip, char text[static NETWORK_IP_TEXT]);
/* The address with all bits behind the prefix zero. */
struct network_ip network_ip_masked(const struct network_ip *ip, uint8_t prefix);

#endif
