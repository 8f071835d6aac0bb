// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_AGENT_INTERFACE_H
#define HOLDFAST_AGENT_INTERFACE_H

#include <libmnl/libmnl.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <stdint.h>

#include "common/base/error.h"
#include "common/kube/objects.h"

/*
 * What the kernel says of interfaces (rtnetlink), here and in the network namespaces of pods. A namespace is looked into from outside, by
 * the number that ours has for it: CAP_NET_ADMIN in the user namespace that owns it is enough, and whoever has it in the host's has it in
 * every pod's. Entering it (setns) would take CAP_SYS_ADMIN, with which the agent could do anything.
 */

#define INTERFACE_HERE (-1) /* the number that stands for our own network namespace */
#define INTERFACE_KIND_MAX 32

struct interface {
	unsigned index;
	char name[IF_NAMESIZE];
	uint8_t mac[ETHER_ADDR_LEN];         /* zeros if it has none */
	char kind[INTERFACE_KIND_MAX];       /* "veth"; "" for a physical device */
	char slave_kind[INTERFACE_KIND_MAX]; /* "bridge" if it is a port of one; "" if it has no master */
	unsigned peer;                       /* IFLA_LINK; 0 if it has none */
	int32_t peer_netnsid;                /* as numbered here; -1 if the peer is in the interface's own namespace */
};

int interface_open_socket(struct mnl_socket **ret, struct error *err) must_check;
void interface_close_socket(struct mnl_socket **socket); /* for _cleanup_ */

/*
 * Sends one request, which has its header and no flags but NLM_F_DUMP, and runs `parse` over the answers up to the acknowledgement.
 * This and what follows return 0 or a negative errno, without a message.
 */
int interface_ask(struct mnl_socket *socket, struct nlmsghdr *request, mnl_cb_t parse, void *context) must_check;

/* In namespace `netnsid`; by name, or by index if `name` is NULL. ENODEV: not there. */
int interface_get(struct mnl_socket *socket, int32_t netnsid, const char *name, unsigned index, struct interface *ret) must_check;

/*
 * The number that our network namespace has for the one behind the descriptor. One that has none yet gets one; it goes with the namespace,
 * so nothing is left of it.
 */
int interface_number_netns(struct mnl_socket *socket, int netns, int32_t *ret) must_check;

/* Addresses of one family of the interface, also those that are still tentative: the first `most` of them. */
int interface_addresses(struct mnl_socket *socket, int32_t netnsid, unsigned index, uint8_t family, struct kube_address *ret, size_t most,
			size_t *ret_n) must_check;

/* The index of the interface that packets to the address leave by; 0 if there is no route. */
int interface_route_to(struct mnl_socket *socket, const struct kube_address *address, unsigned *ret) must_check;

#endif
