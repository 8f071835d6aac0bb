// SPDX-License-Identifier: Apache-2.0
/*
 * The input is what a kernel says of a network namespace, datagram behind datagram. Whatever that is: within the limits, and what a guest
 * can have becomes messages whose texts are whole.
 */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <string.h>

#include "kata-shim/vm/net/messages.h"
#include "kata-shim/vm/net/network.h"
#include "tests/fuzz/fuzz.h"

#define INPUT_MAX (64 * 1024)

static void take_all(const uint8_t *data, size_t size, struct network *network)
{
	_cleanup_free_ struct nlmsghdr *messages = malloc(MNL_ALIGN(size) + 1);
	struct error err;
	int n = (int)size;

	ABORT_ON(!messages);
	memcpy(messages, data, size);
	/* libmnl takes a length of 2 GiB and more for a negative one. */
	for (const struct nlmsghdr *message = messages; mnl_nlmsg_ok(message, n) && message->nlmsg_len <= (uint32_t)n;
	     message = mnl_nlmsg_next(message, &n)) {
		if (network_take(network, message, &err) < 0)
			ABORT_ON(err.code != E2BIG);
		network_take_nft(network, message);
	}
	ABORT_ON(strlen(network->nft_table) >= NETWORK_TABLE_MAX);
}

static void check_texts(const struct net_messages *messages, const struct network *network)
{
	ABORT_ON(messages->n_interfaces != network->n_links);
	for (size_t i = 0; i < messages->n_interfaces; i++) {
		const Agent__Interface *interface = messages->interfaces[i];
		ABORT_ON(strlen(interface->name) >= IF_NAMESIZE || strlen(interface->hw_addr) != 17);
		for (size_t j = 0; j < interface->n_ip_addresses; j++)
			ABORT_ON(!*interface->ip_addresses[j]->address || !*interface->ip_addresses[j]->mask);
	}
	ABORT_ON(messages->routes.n_routes > network->n_routes);
	for (size_t i = 0; i < messages->routes.n_routes; i++)
		ABORT_ON(strlen(messages->routes.routes[i]->device) >= IF_NAMESIZE);
	ABORT_ON(messages->neighbours.n_arp_neighbors > network->n_neighbours);
	for (size_t i = 0; i < messages->neighbours.n_arp_neighbors; i++)
		ABORT_ON(strlen(messages->neighbours.arp_neighbors[i]->lladdr) != 17);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(net_messages_freep) struct net_messages *messages = NULL;
	static struct network network;
	struct error err;

	if (size > INPUT_MAX)
		return 0;
	network = (struct network){};
	take_all(data, size, &network);
	ABORT_ON(network.n_links > NETWORK_LINKS_MAX || network.n_addresses > NETWORK_ADDRESSES_MAX);
	ABORT_ON(network.n_routes > NETWORK_ROUTES_MAX || network.n_neighbours > NETWORK_NEIGHBOURS_MAX);
	(void)!network_check(&network, &err);
	/* Also of what is refused: nothing of it may be believed. */
	ABORT_ON(net_messages_new(&network, &messages, &err) < 0);
	check_texts(messages, &network);
	return 0;
}
