// SPDX-License-Identifier: Apache-2.0
/* What the agent makes of its host's words in a real kernel: each test has a network namespace of its own. Needs root. */
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/array.h"
#include "common/base/buf.h"
#include "kata-shim/guest/network.h"

#define MAC "02:00:00:00:00:0a"
#define OTHER_MAC "02:00:00:00:00:0b"

static struct error err;

static void run(const char *command)
{
	if (system(command) != 0)
		fail_msg("%s", command);
}

static void read_output(const char *command, struct buf *out)
{
	FILE *pipe = popen(command, "r");
	char line[1024];

	assert_non_null(pipe);
	while (fgets(line, sizeof(line), pipe))
		buf_string(out, line);
	pclose(pipe);
}

static bool prints(const char *command, const char *text)
{
	_cleanup_(buf_free) struct buf out = BUF_MAX(64 * 1024);

	read_output(command, &out);
	return strstr(buf_text(&out), text) != NULL;
}

static void expect(const char *command, const char *text)
{
	_cleanup_(buf_free) struct buf out = BUF_MAX(64 * 1024);

	read_output(command, &out);
	if (!strstr(buf_text(&out), text))
		fail_msg("%s does not say \"%s\":\n%s", command, text, buf_text(&out));
}

/* As virtio cards are there when the guest boots: named in the order in which the VMM has them, down, without addresses. */
static int set_up(void **state)
{
	if (unshare(CLONE_NEWNET) < 0)
		return -1;
	run("sysctl -qw net.ipv6.conf.default.accept_dad=0");
	run("ip link add eth0 address " OTHER_MAC " type veth peer name far0 && ip link set far0 up");
	run("ip link add eth1 address " MAC " type veth peer name far1 && ip link set far1 up");
	return 0;
}

/* ── Messages from few words ── */

static Agent__IPAddress addresses[NETWORK_ADDRESSES_MAX + 1], *address_at[NETWORK_ADDRESSES_MAX + 1];

static Agent__Interface interface_of(const char *mac, const char *name, const char *const *texts, size_t n)
{
	Agent__Interface interface = AGENT__INTERFACE__INIT;

	for (size_t i = 0; i < n; i++) {
		addresses[i] = (Agent__IPAddress)AGENT__IPADDRESS__INIT;
		addresses[i].address = (char *)texts[2 * i];
		addresses[i].mask = (char *)texts[2 * i + 1];
		address_at[i] = &addresses[i];
	}
	interface.hw_addr = (char *)mac;
	interface.name = interface.device = (char *)name;
	interface.ip_addresses = address_at;
	interface.n_ip_addresses = n;
	return interface;
}

static void set_eth0(void)
{
	static const char *const texts[] = { "10.0.0.5", "24", "fd00::5", "64" };
	Agent__Interface interface = interface_of(MAC, "eth0", texts, 2);

	if (network_set_interface(&interface, &err) < 0)
		fail_msg("%s", err.message);
}

struct route {
	const char *dest, *gateway, *source;
	uint32_t scope, flags, mtu;
};

static int set_routes(const struct route *rows, size_t n)
{
	Agent__Route *routes = calloc(n + 1, sizeof(*routes)), **at = calloc(n + 1, sizeof(*at));
	Agent__Routes message = AGENT__ROUTES__INIT;

	for (size_t i = 0; i < n; i++) {
		routes[i] = (Agent__Route)AGENT__ROUTE__INIT;
		routes[i].dest = (char *)rows[i].dest;
		routes[i].gateway = (char *)(rows[i].gateway ? rows[i].gateway : "");
		routes[i].source = (char *)(rows[i].source ? rows[i].source : "");
		routes[i].device = (char *)"eth0";
		routes[i].scope = rows[i].scope;
		routes[i].flags = rows[i].flags;
		routes[i].mtu = rows[i].mtu;
		at[i] = &routes[i];
	}
	message.routes = at;
	message.n_routes = n;
	int r = network_set_routes(&message, &err);
	free(at);
	free(routes);
	return r;
}

static void expect_routes(const struct route *rows, size_t n)
{
	if (set_routes(rows, n) < 0)
		fail_msg("%s", err.message);
}

/* ── Interfaces ── */

static void a_card_is_found_by_its_address_and_gets_the_name_of_another(void **state)
{
	static const char *const texts[] = { "10.0.0.5", "24", "fd00::5", "64" };
	Agent__Interface interface = interface_of(MAC, "eth0", texts, 2);

	interface.mtu = 1400;
	if (network_set_interface(&interface, &err) < 0)
		fail_msg("%s", err.message);
	expect("ip link show eth0", "link/ether " MAC);
	expect("ip link show eth0", "mtu 1400");
	expect("ip link show eth0", ",UP");
	expect("ip -4 addr show eth0", "inet 10.0.0.5/24 brd 10.0.0.255 scope global");
	expect("ip -6 addr show eth0", "inet6 fd00::5/64 scope global nodad");
	interface = interface_of(OTHER_MAC, "net1", texts, 0); /* who had the name gets its own */
	assert_int_equal(network_set_interface(&interface, &err), 0);
	expect("ip link show net1", "link/ether " OTHER_MAC);
}

static void ipv6_addresses_are_there_at_once(void **state)
{
	static const char *const texts[] = { "fd00::5", "64", "fe80::5", "64" };
	Agent__Interface interface = interface_of(MAC, "eth0", texts, 2);

	assert_int_equal(network_set_interface(&interface, &err), 0);
	/* not of the kernel's own link-local address, which is tentative for a moment */
	assert_false(prints("ip -6 addr show eth0 to fd00::5 tentative", "fd00::5"));
	assert_false(prints("ip -6 addr show eth0 to fe80::5 tentative", "fe80::5"));
	expect("ip -6 addr show eth0", "fe80::5/64 scope link nodad");
}

static void said_again_it_is_the_same_and_said_anew_it_is_changed(void **state)
{
	static const char *const texts[] = { "10.0.0.9", "32" };

	set_eth0();
	set_eth0();
	Agent__Interface interface = interface_of(MAC, "eth0", texts, 1);
	assert_int_equal(network_set_interface(&interface, &err), 0);
	expect("ip addr show eth0", "inet 10.0.0.9/32");
	assert_false(prints("ip addr show eth0", "10.0.0.5"));
	assert_false(prints("ip addr show eth0", "fd00::5"));
	expect("ip addr show eth0", "inet6 fe80::ff:fe00:a/64 scope link"); /* the kernel's own stays */
}

static void a_card_that_is_not_there_is_named_with_those_that_are(void **state)
{
	Agent__Interface interface = interface_of("02:00:00:00:00:ff", "eth0", NULL, 0);

	assert_int_equal(network_set_interface(&interface, &err), -ENODEV);
	assert_non_null(
		strstr(err.message, "interface \"eth0\": the guest has no network card with the address 02:00:00:00:00:ff; there are:"));
	assert_non_null(strstr(err.message, "eth1 " MAC));
}

static void an_interface_that_makes_no_sense_is_refused(void **state)
{
	static const struct {
		const char *mac, *name, *address, *mask;
		uint64_t mtu;
	} cases[] = {
		{ "02:00:00:00:00", "eth0", "10.0.0.5", "24", 0 },
		{ "02-00-00-00-00-0a", "eth0", "10.0.0.5", "24", 0 },
		{ MAC, "", "10.0.0.5", "24", 0 },
		{ MAC, "a-name-too-long-x", "10.0.0.5", "24", 0 },
		{ MAC, "../eth0", "10.0.0.5", "24", 0 },
		{ MAC, "eth0", "10.0.0", "24", 0 },
		{ MAC, "eth0", "10.0.0.5", "33", 0 },
		{ MAC, "eth0", "fd00::5", "129", 0 },
		{ MAC, "eth0", "10.0.0.5", "255.255.255.0", 0 },
		{ MAC, "eth0", "10.0.0.5", "", 0 },
		{ MAC, "eth0", "10.0.0.5", "24", 67 },
		{ MAC, "eth0", "10.0.0.5", "24", 65536 },
		{ MAC, "eth0", "10.0.0.5", "24", UINT64_MAX },
	};

	for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
		const char *const texts[] = { cases[i].address, cases[i].mask };
		Agent__Interface interface = interface_of(cases[i].mac, cases[i].name, texts, 1);

		interface.mtu = cases[i].mtu;
		if (network_set_interface(&interface, &err) != -EINVAL)
			fail_msg("case %zu: %s", i, err.message);
	}
	expect("ip link show eth1", MAC); /* nothing was changed */
}

static void more_addresses_than_the_limit_are_refused(void **state)
{
	const char *texts[2 * (NETWORK_ADDRESSES_MAX + 1)];

	for (size_t i = 0; i < ELEMENTS_OF(texts); i += 2) {
		texts[i] = "10.0.0.5";
		texts[i + 1] = "24";
	}
	Agent__Interface interface = interface_of(MAC, "eth0", texts, NETWORK_ADDRESSES_MAX + 1);
	assert_int_equal(network_set_interface(&interface, &err), -E2BIG);
}

/* ── Routes ── */

static void routes_are_added_in_whatever_order_they_come(void **state)
{
	static const struct route rows[] = {
		{ "", "169.254.1.1", "10.0.0.5/0", .mtu = 1300 },
		{ "10.9.0.0/16", "169.254.1.1" },
		{ "169.254.1.1/32", .scope = 253 },
		{ "::/0", "fe80::1" },
		{ "fd01::/64", "fd00::1" },
		{ "192.168.7.0/24", "10.77.0.1", .flags = 4 },
	};

	set_eth0();
	expect_routes(rows, ELEMENTS_OF(rows));
	expect("ip route", "default via 169.254.1.1 dev eth0 proto static src 10.0.0.5 mtu 1300");
	expect("ip route", "169.254.1.1 dev eth0 proto static scope link");
	expect("ip route", "10.9.0.0/16 via 169.254.1.1");
	expect("ip route", "192.168.7.0/24 via 10.77.0.1 dev eth0 proto static onlink");
	expect("ip -6 route", "default via fe80::1 dev eth0");
	expect("ip -6 route", "fd01::/64 via fd00::1 dev eth0");
}

static void routes_said_anew_replace_those_before_but_not_the_kernels(void **state)
{
	static const struct route first[] = { { "", "10.0.0.1" }, { "::/0", "fd00::1" }, { "10.9.0.0/16", "10.0.0.1" } };
	static const struct route second[] = { { "default", "10.0.0.2" }, { "10.0.0.0/24", .scope = 253 }, { "fd00::/64" } };

	set_eth0();
	expect_routes(first, ELEMENTS_OF(first));
	expect_routes(second, ELEMENTS_OF(second));
	expect_routes(second, ELEMENTS_OF(second));
	expect("ip route", "default via 10.0.0.2 dev eth0");
	assert_false(prints("ip route", "10.0.0.1"));
	assert_false(prints("ip -6 route", "default"));
	expect("ip -6 route", "fd00::/64 dev eth0 proto kernel");
	expect_routes(NULL, 0);
	assert_false(prints("ip route", "default"));
}

static void a_route_that_leads_nowhere_is_named_with_the_kernels_words(void **state)
{
	static const struct route rows[] = { { "10.9.0.0/16", "10.0.0.1" }, { "10.7.0.0/16", "10.99.0.1" } };

	set_eth0();
	assert_int_equal(set_routes(rows, ELEMENTS_OF(rows)), -ENETUNREACH);
	assert_non_null(strstr(err.message, "route 1 to \"10.7.0.0/16\" via \"10.99.0.1\" dev \"eth0\": the kernel refuses"));
	assert_non_null(strstr(err.message, "Network is unreachable"));
}

static void a_route_that_makes_no_sense_is_refused(void **state)
{
	static const struct route rows[] = {
		{ "10.9.0.0/33", "10.0.0.1" },
		{ "x", "10.0.0.1" },
		{ "10.9.0.0/16", "x" },
		{ "10.9.0.0/16", "fe80::1" },
		{ "fd01::/64", "10.0.0.1" },
		{ "10.9.0.0/16", "10.0.0.1", "fd00::5" },
		{ "10.9.0.0/16", "10.0.0.1", "10.0.0.0/8" },
		{ "10.9.0.0/16", "10.0.0.1", .scope = 256 },
	};

	set_eth0();
	for (size_t i = 0; i < ELEMENTS_OF(rows); i++) {
		if (set_routes(&rows[i], 1) != -EINVAL)
			fail_msg("case %zu: %s", i, err.message);
	}
	Agent__Route route = AGENT__ROUTE__INIT, *at = &route;
	Agent__Routes routes = AGENT__ROUTES__INIT;
	route.device = (char *)"eth7";
	routes.routes = &at;
	routes.n_routes = 1;
	assert_int_equal(network_set_routes(&routes, &err), -ENODEV);
	routes.n_routes = NETWORK_ROUTES_MAX + 1;
	assert_int_equal(network_set_routes(&routes, &err), -E2BIG);
}

static void a_thousand_routes_are_taken(void **state)
{
	static char texts[NETWORK_ROUTES_MAX][32];
	static struct route rows[NETWORK_ROUTES_MAX];

	set_eth0();
	for (size_t i = 0; i < NETWORK_ROUTES_MAX; i++) {
		snprintf(texts[i], sizeof(texts[i]), "172.%zu.%zu.0/24", 16 + i / 256, i % 256);
		rows[i] = (struct route){ texts[i], "10.0.0.1" };
	}
	expect_routes(rows, NETWORK_ROUTES_MAX);
	expect("ip route | grep -c 'via 10.0.0.1'", "1024\n");
	expect_routes(rows, 1);
	expect("ip route | grep -c 'via 10.0.0.1'", "1\n");
}

/* ── Neighbours and loopback ── */

static void neighbours_stay_for_good(void **state)
{
	Agent__IPAddress address = AGENT__IPADDRESS__INIT;
	Agent__ARPNeighbor neighbor = AGENT__ARPNEIGHBOR__INIT, *at = &neighbor;
	Agent__ARPNeighbors neighbors = AGENT__ARPNEIGHBORS__INIT;

	set_eth0();
	address.address = (char *)"10.0.0.1";
	neighbor.to_ip_address = &address;
	neighbor.device = (char *)"eth0";
	neighbor.lladdr = (char *)"EE:ee:ee:ee:ee:01";
	neighbors.arp_neighbors = &at;
	neighbors.n_arp_neighbors = 1;
	assert_int_equal(network_set_neighbors(&neighbors, &err), 0);
	neighbor.state = 0x80;
	address.address = (char *)"fd00::1";
	assert_int_equal(network_set_neighbors(&neighbors, &err), 0);
	expect("ip neigh", "10.0.0.1 dev eth0 lladdr ee:ee:ee:ee:ee:01 PERMANENT");
	expect("ip neigh", "fd00::1 dev eth0 lladdr ee:ee:ee:ee:ee:01 PERMANENT");
	neighbor.lladdr = (char *)"ee";
	assert_int_equal(network_set_neighbors(&neighbors, &err), -EINVAL);
	neighbor.to_ip_address = NULL;
	assert_int_equal(network_set_neighbors(&neighbors, &err), -EINVAL);
	assert_string_equal(err.message, "neighbour 0: it has no address");
}

static void loopback_is_up(void **state)
{
	assert_int_equal(network_loopback_up(&err), 0);
	expect("ip addr show lo", "127.0.0.1/8");
	run("ping -c 1 -W 2 127.0.0.1 >/dev/null");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, set_up)
	const struct CMUnitTest tests[] = {
		TEST(a_card_is_found_by_its_address_and_gets_the_name_of_another),
		TEST(ipv6_addresses_are_there_at_once),
		TEST(said_again_it_is_the_same_and_said_anew_it_is_changed),
		TEST(a_card_that_is_not_there_is_named_with_those_that_are),
		TEST(an_interface_that_makes_no_sense_is_refused),
		TEST(more_addresses_than_the_limit_are_refused),
		TEST(routes_are_added_in_whatever_order_they_come),
		TEST(routes_said_anew_replace_those_before_but_not_the_kernels),
		TEST(a_route_that_leads_nowhere_is_named_with_the_kernels_words),
		TEST(a_route_that_makes_no_sense_is_refused),
		TEST(a_thousand_routes_are_taken),
		TEST(neighbours_stay_for_good),
		TEST(loopback_is_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
