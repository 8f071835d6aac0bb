// SPDX-License-Identifier: Apache-2.0
/* From the kernel's messages to those for the guest's agent, without a kernel. What real ones say is in tests/net/test_vm_net*.c. */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/array.h"
#include "kata-shim/vm/net/messages.h"

#define ETH0 7

static struct network_ip ip4(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
	return (struct network_ip){ .family = AF_INET, .bytes = { a, b, c, d } };
}

static struct network_ip ip6(uint8_t first, uint8_t second, uint8_t last)
{
	return (struct network_ip){ .family = AF_INET6, .bytes = { first, second, [15] = last } };
}

static struct network pod(void)
{
	return (struct network){
		.links = { { .index = ETH0,
			     .name = "eth0",
			     .kind = "veth",
			     .mac = { 2, 0, 0, 0xab, 0xcd, 0xef },
			     .mtu = 1450,
			     .flags = IFF_UP } },
		.n_links = 1,
	};
}

static void add_address(struct network *network, struct network_ip ip, uint8_t prefix, uint32_t flags)
{
	network->addresses[network->n_addresses++] = (struct network_address){ .link = ETH0, .ip = ip, .prefix = prefix, .flags = flags };
}

static struct network_route *add_route(struct network *network, struct network_ip destination, uint8_t prefix, uint8_t protocol)
{
	struct network_route *route = &network->routes[network->n_routes++];

	*route = (struct network_route){ .link = ETH0,
					 .destination = destination,
					 .prefix = prefix,
					 .family = destination.family,
					 .type = RTN_UNICAST,
					 .protocol = protocol,
					 .scope = RT_SCOPE_LINK,
					 .table = RT_TABLE_MAIN };
	return route;
}

static struct net_messages *messages_of(const struct network *network)
{
	struct net_messages *messages = NULL;
	struct error err;

	assert_int_equal(net_messages_new(network, &messages, &err), 0);
	return messages;
}

/* "destination gateway source scope flags mtu" of each route, in order. */
static void assert_routes(const struct network *network, const char *expected)
{
	_cleanup_(net_messages_freep) struct net_messages *messages = messages_of(network);
	char text[2048] = "";

	for (size_t i = 0; i < messages->routes.n_routes; i++) {
		const Agent__Route *route = messages->routes.routes[i];
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s '%s' '%s' '%s' %u %u %u %s\n",
			 route->family == AGENT__IPFAMILY__V6 ? "6" : "4", route->dest, route->gateway, route->source, route->scope,
			 route->flags, route->mtu, route->device);
	}
	assert_string_equal(text, expected);
}

/* ── messages for the agent ── */

static void test_an_interface_is_found_by_its_mac_address_and_has_all_addresses(void **state)
{
	struct network network = pod();

	add_address(&network, ip4(10, 1, 2, 3), 24, IFA_F_PERMANENT);
	add_address(&network, ip6(0xfd, 0x00, 5), 64, IFA_F_PERMANENT);
	add_route(&network, ip4(10, 1, 2, 0), 24, RTPROT_KERNEL);
	add_route(&network, ip6(0xfd, 0x00, 0), 64, RTPROT_KERNEL);
	_cleanup_(net_messages_freep) struct net_messages *messages = messages_of(&network);
	assert_int_equal(messages->n_interfaces, 1);
	const Agent__Interface *interface = messages->interfaces[0];
	assert_string_equal(interface->name, "eth0");
	assert_string_equal(interface->device, "eth0");
	assert_string_equal(interface->hw_addr, "02:00:00:ab:cd:ef");
	assert_string_equal(interface->type, "veth");
	assert_string_equal(interface->device_path, "");
	assert_int_equal(interface->mtu, 1450);
	assert_int_equal(interface->raw_flags, 0);
	assert_int_equal(interface->n_ip_addresses, 2);
	assert_string_equal(interface->ip_addresses[0]->address, "10.1.2.3");
	assert_string_equal(interface->ip_addresses[0]->mask, "24");
	assert_int_equal(interface->ip_addresses[0]->family, AGENT__IPFAMILY__V4);
	assert_string_equal(interface->ip_addresses[1]->address, "fd00::5");
	assert_string_equal(interface->ip_addresses[1]->mask, "64");
	assert_int_equal(interface->ip_addresses[1]->family, AGENT__IPFAMILY__V6);
}

static void test_a_link_without_arp_is_one_in_the_guest(void **state)
{
	struct network network = pod();

	network.links[0].flags |= IFF_NOARP;
	_cleanup_(net_messages_freep) struct net_messages *messages = messages_of(&network);
	assert_int_equal(messages->interfaces[0]->raw_flags, IFF_NOARP);
}

static void test_an_address_whose_prefix_means_no_route_is_alone(void **state)
{
	struct network network = pod();

	add_address(&network, ip4(10, 1, 2, 3), 24, IFA_F_NOPREFIXROUTE);
	add_address(&network, ip6(0xfd, 0x00, 5), 64, IFA_F_NOPREFIXROUTE);
	add_address(&network, ip4(10, 1, 2, 4), 24, 0);
	network.addresses[2].peer = ip4(10, 9, 9, 0);
	_cleanup_(net_messages_freep) struct net_messages *messages = messages_of(&network);
	assert_string_equal(messages->interfaces[0]->ip_addresses[0]->mask, "32");
	assert_string_equal(messages->interfaces[0]->ip_addresses[1]->mask, "128");
	assert_string_equal(messages->interfaces[0]->ip_addresses[2]->mask, "32");
}

static void test_an_address_whose_networks_route_was_taken_away_is_alone(void **state)
{
	struct network network = pod();

	add_address(&network, ip4(10, 1, 2, 3), 24, IFA_F_PERMANENT);
	add_address(&network, ip6(0xfd, 0x00, 5), 64, IFA_F_PERMANENT);
	add_route(&network, ip4(10, 1, 2, 0), 24, RTPROT_BOOT)->gateway = ip4(10, 1, 2, 1);
	add_route(&network, ip6(0xfd, 0x00, 0), 64, RTPROT_BOOT)->gateway = ip6(0xfd, 0x00, 1);
	_cleanup_(net_messages_freep) struct net_messages *messages = messages_of(&network);
	assert_string_equal(messages->interfaces[0]->ip_addresses[0]->mask, "32");
	assert_string_equal(messages->interfaces[0]->ip_addresses[1]->mask, "128");
}

static void test_routes_without_a_gateway_come_first_and_have_all_that_a_message_carries(void **state)
{
	struct network network = pod();
	struct network_route *route = add_route(&network, ip4(0, 0, 0, 0), 0, RTPROT_BOOT);

	route->gateway = ip4(169, 254, 1, 1);
	route->source = ip4(10, 1, 2, 3);
	route->scope = RT_SCOPE_UNIVERSE;
	route->flags = RTNH_F_ONLINK | RTNH_F_LINKDOWN;
	route->mtu = 1400;
	route = add_route(&network, ip6(0, 0, 0), 0, RTPROT_BOOT);
	route->gateway = ip6(0xfe, 0x80, 1);
	route->scope = RT_SCOPE_UNIVERSE;
	add_route(&network, ip4(169, 254, 1, 1), 32, RTPROT_STATIC);
	assert_routes(&network, "4 '169.254.1.1/32' '' '' 253 0 0 eth0\n"
				"4 '' '169.254.1.1' '10.1.2.3/0' 0 4 1400 eth0\n"
				"6 '' 'fe80::1' '' 0 0 0 eth0\n");
}

static void test_what_the_guests_kernel_makes_of_an_address_is_not_sent(void **state)
{
	struct network network = pod();

	add_address(&network, ip4(10, 1, 2, 3), 22, 0);
	add_address(&network, ip6(0xfe, 0x80, 5), 64, 0);
	add_route(&network, ip4(10, 1, 0, 0), 22, RTPROT_KERNEL);
	add_route(&network, ip6(0xfe, 0x80, 0), 64, RTPROT_KERNEL);
	add_route(&network, ip6(0xfe, 0x80, 5), 128, RTPROT_KERNEL);
	add_route(&network, ip4(10, 1, 0, 0), 24, RTPROT_KERNEL); /* of no address that it gets */
	assert_routes(&network, "4 '10.1.0.0/24' '' '' 253 0 0 eth0\n");
}

static void test_the_route_to_a_peer_is_sent(void **state)
{
	struct network network = pod();

	add_address(&network, ip4(10, 1, 2, 3), 32, 0);
	network.addresses[0].peer = ip4(10, 1, 2, 1);
	add_route(&network, ip4(10, 1, 2, 1), 32, RTPROT_KERNEL)->source = ip4(10, 1, 2, 3);
	assert_routes(&network, "4 '10.1.2.1/32' '' '10.1.2.3/0' 253 0 0 eth0\n");
}

static void test_of_two_ways_to_one_destination_the_better_is_sent(void **state)
{
	struct network network = pod();

	add_route(&network, ip4(10, 2, 0, 0), 16, RTPROT_BOOT)->metric = 200;
	struct network_route *better = add_route(&network, ip4(10, 2, 0, 0), 16, RTPROT_BOOT);
	better->metric = 100;
	better->gateway = ip4(10, 1, 2, 1);
	add_route(&network, ip4(10, 2, 0, 0), 24, RTPROT_BOOT);
	add_route(&network, ip6(0xfd, 0x02, 0), 16, RTPROT_BOOT)->mtu = 1;
	add_route(&network, ip6(0xfd, 0x02, 0), 16, RTPROT_BOOT)->mtu = 2; /* as good: the first */
	assert_routes(&network, "4 '10.2.0.0/24' '' '' 253 0 0 eth0\n"
				"6 'fd02::/16' '' '' 253 0 1 eth0\n"
				"4 '10.2.0.0/16' '10.1.2.1' '' 253 0 0 eth0\n");
}

/* It would replace the one that the guest's kernel makes. */
static void test_a_worse_way_than_the_kernels_own_is_not_sent(void **state)
{
	struct network network = pod();

	add_address(&network, ip4(10, 1, 2, 3), 24, 0);
	add_route(&network, ip4(10, 1, 2, 0), 24, RTPROT_BOOT)->metric = 50;
	add_route(&network, ip4(10, 1, 2, 0), 24, RTPROT_KERNEL);
	assert_routes(&network, "");
}

static void test_a_permanent_neighbour_is_sent(void **state)
{
	struct network network = pod();

	network.neighbours[network.n_neighbours++] = (struct network_neighbour){
		.link = ETH0,
		.ip = ip6(0xfe, 0x80, 1),
		.mac = { 0xee, 0xee, 0xee, 0xee, 0xee, 0xee },
		.state = NUD_PERMANENT,
		.flags = NTF_ROUTER,
	};
	_cleanup_(net_messages_freep) struct net_messages *messages = messages_of(&network);
	assert_int_equal(messages->neighbours.n_arp_neighbors, 1);
	const Agent__ARPNeighbor *neighbour = messages->neighbours.arp_neighbors[0];
	assert_string_equal(neighbour->to_ip_address->address, "fe80::1");
	assert_int_equal(neighbour->to_ip_address->family, AGENT__IPFAMILY__V6);
	assert_string_equal(neighbour->lladdr, "ee:ee:ee:ee:ee:ee");
	assert_string_equal(neighbour->device, "eth0");
	assert_int_equal(neighbour->state, 0x80);
	assert_int_equal(neighbour->flags, NTF_ROUTER);
}

static void test_a_full_network_fits_and_goes_over_the_wire(void **state)
{
	static struct network network;

	network = pod();
	for (uint8_t i = 0; i < NETWORK_ADDRESSES_MAX; i++)
		add_address(&network, ip6(0xfd, i, 255), 128, 0);
	for (size_t i = 0; i < NETWORK_ROUTES_MAX; i++) {
		struct network_route *route = add_route(&network, ip6(0xfd, (uint8_t)i, 255), 128, RTPROT_BOOT);
		memset(route->destination.bytes + 1, 0xbb, 14);
		route->destination.bytes[1] = (uint8_t)i;
		route->gateway = route->source = route->destination;
	}
	for (size_t i = 0; i < NETWORK_NEIGHBOURS_MAX; i++)
		network.neighbours[network.n_neighbours++] = (struct network_neighbour){ .link = ETH0, .ip = ip6(0xfe, 0x80, (uint8_t)i) };
	_cleanup_(net_messages_freep) struct net_messages *messages = messages_of(&network);
	assert_int_equal(messages->routes.n_routes, NETWORK_ROUTES_MAX);
	assert_int_equal(messages->neighbours.n_arp_neighbors, NETWORK_NEIGHBOURS_MAX);
	static uint8_t packed[256 * 1024];
	assert_in_range(agent__routes__get_packed_size(&messages->routes), 1, sizeof(packed));
	size_t n = agent__routes__pack(&messages->routes, packed);
	Agent__Routes *back = agent__routes__unpack(NULL, n, packed);
	assert_non_null(back);
	assert_int_equal(back->n_routes, NETWORK_ROUTES_MAX);
	assert_string_equal(back->routes[1]->dest, "fd01:bbbb:bbbb:bbbb:bbbb:bbbb:bbbb:bbff/128");
	agent__routes__free_unpacked(back, NULL);
}

/* ── messages of the kernel ── */

struct message {
	char room[512] __attribute__((aligned(8)));
	struct nlmsghdr *head;
};

static void *message_of(struct message *message, uint16_t type, size_t header)
{
	message->head = mnl_nlmsg_put_header(message->room);
	message->head->nlmsg_type = type;
	return mnl_nlmsg_put_extra_header(message->head, header);
}

static void take(struct network *network, const struct message *message)
{
	struct error err;

	if (network_take(network, message->head, &err) < 0)
		fail_msg("%s", err.message);
}

static void take_address(struct network *network, uint8_t family, uint8_t scope, uint32_t flags, unsigned link)
{
	struct message message;
	struct ifaddrmsg *header = message_of(&message, RTM_NEWADDR, sizeof(*header));
	uint8_t ip[16] = { 10, 1, 2, 3 };

	*header = (struct ifaddrmsg){ .ifa_family = family, .ifa_prefixlen = 24, .ifa_scope = scope, .ifa_index = link };
	mnl_attr_put(message.head, IFA_ADDRESS, family == AF_INET ? 4 : 16, ip);
	mnl_attr_put_u32(message.head, IFA_FLAGS, flags);
	take(network, &message);
}

static void test_addresses_that_are_not_the_pods_own_for_good_are_left_out(void **state)
{
	static const struct {
		const char *name;
		uint8_t family, scope;
		uint32_t flags;
		unsigned link;
		bool taken;
	} cases[] = {
		{ "plain", AF_INET, RT_SCOPE_UNIVERSE, IFA_F_PERMANENT, ETH0, true },
		{ "secondary", AF_INET, RT_SCOPE_UNIVERSE, IFA_F_PERMANENT | IFA_F_SECONDARY, ETH0, true },
		{ "link-local", AF_INET6, RT_SCOPE_LINK, IFA_F_PERMANENT, ETH0, true },
		{ "tentative", AF_INET6, RT_SCOPE_UNIVERSE, IFA_F_PERMANENT | IFA_F_TENTATIVE, ETH0, true },
		{ "another host's", AF_INET6, RT_SCOPE_UNIVERSE, IFA_F_PERMANENT | IFA_F_DADFAILED, ETH0, false },
		{ "temporary", AF_INET6, RT_SCOPE_UNIVERSE, IFA_F_TEMPORARY, ETH0, false },
		{ "host scope", AF_INET, RT_SCOPE_HOST, IFA_F_PERMANENT, ETH0, false },
		{ "of another link", AF_INET, RT_SCOPE_UNIVERSE, IFA_F_PERMANENT, 1, false },
		{ "of another family", AF_INET + 20, RT_SCOPE_UNIVERSE, IFA_F_PERMANENT, ETH0, false },
	};

	for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
		struct network network = pod();
		take_address(&network, cases[i].family, cases[i].scope, cases[i].flags, cases[i].link);
		if (network.n_addresses != cases[i].taken)
			fail_msg("%s: %zu", cases[i].name, network.n_addresses);
	}
}

static void take_route(struct network *network, struct rtmsg header, unsigned link)
{
	struct message message;
	struct rtmsg *to = message_of(&message, RTM_NEWROUTE, sizeof(*to));

	*to = header;
	mnl_attr_put_u32(message.head, RTA_OIF, link);
	mnl_attr_put_u32(message.head, RTA_TABLE, header.rtm_table);
	take(network, &message);
}

static void test_routes_that_are_not_a_cnis_are_left_out(void **state)
{
	const struct rtmsg plain = {
		.rtm_family = AF_INET, .rtm_table = RT_TABLE_MAIN, .rtm_type = RTN_UNICAST, .rtm_protocol = RTPROT_BOOT
	};
	struct rtmsg changed[6];
	struct network network = pod();

	take_route(&network, plain, ETH0);
	assert_int_equal(network.n_routes, 1);
	take_route(&network, plain, 1);
	for (size_t i = 0; i < ELEMENTS_OF(changed); i++)
		changed[i] = plain;
	changed[0].rtm_table = RT_TABLE_LOCAL;
	changed[1].rtm_type = RTN_BROADCAST;
	changed[2].rtm_type = RTN_MULTICAST;
	changed[3].rtm_protocol = RTPROT_RA;
	changed[4].rtm_flags = RTM_F_CLONED;
	changed[5].rtm_dst_len = 33;
	for (size_t i = 0; i < ELEMENTS_OF(changed); i++)
		take_route(&network, changed[i], ETH0);
	assert_int_equal(network.n_routes, 1);
}

/* A route for some sources, or types of service, is not one for all. */
static void test_a_route_for_some_packets_only_is_refused(void **state)
{
	struct network network = pod();
	struct error err;

	take_route(&network,
		   (struct rtmsg){ .rtm_family = AF_INET6, .rtm_src_len = 64, .rtm_table = RT_TABLE_MAIN, .rtm_type = RTN_UNICAST }, ETH0);
	assert_int_equal(network_check(&network, &err), -EOPNOTSUPP);
	network = pod();
	take_route(&network, (struct rtmsg){ .rtm_family = AF_INET, .rtm_tos = 8, .rtm_table = RT_TABLE_MAIN, .rtm_type = RTN_UNICAST },
		   ETH0);
	assert_int_equal(network_check(&network, &err), -EOPNOTSUPP);
}

static void test_two_links_with_one_mac_address_are_refused(void **state)
{
	struct network network = pod();
	struct error err;

	network.links[1] = network.links[0];
	strcpy(network.links[1].name, "net1");
	network.n_links = 2;
	assert_int_equal(network_check(&network, &err), -EOPNOTSUPP);
	assert_non_null(strstr(err.message, "interfaces eth0 and net1 of the pod have the same MAC address"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_interface_is_found_by_its_mac_address_and_has_all_addresses),
		cmocka_unit_test(test_a_link_without_arp_is_one_in_the_guest),
		cmocka_unit_test(test_an_address_whose_prefix_means_no_route_is_alone),
		cmocka_unit_test(test_an_address_whose_networks_route_was_taken_away_is_alone),
		cmocka_unit_test(test_routes_without_a_gateway_come_first_and_have_all_that_a_message_carries),
		cmocka_unit_test(test_what_the_guests_kernel_makes_of_an_address_is_not_sent),
		cmocka_unit_test(test_the_route_to_a_peer_is_sent),
		cmocka_unit_test(test_of_two_ways_to_one_destination_the_better_is_sent),
		cmocka_unit_test(test_a_worse_way_than_the_kernels_own_is_not_sent),
		cmocka_unit_test(test_a_permanent_neighbour_is_sent),
		cmocka_unit_test(test_a_full_network_fits_and_goes_over_the_wire),
		cmocka_unit_test(test_addresses_that_are_not_the_pods_own_for_good_are_left_out),
		cmocka_unit_test(test_routes_that_are_not_a_cnis_are_left_out),
		cmocka_unit_test(test_a_route_for_some_packets_only_is_refused),
		cmocka_unit_test(test_two_links_with_one_mac_address_are_refused),
	};

	return cmocka_run_group_tests_name("vm_network", tests, NULL, NULL);
}
