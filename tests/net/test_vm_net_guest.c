// SPDX-License-Identifier: Apache-2.0
/*
 * A whole network stack in the pod's place (tests/net/guest.h), configured by nothing but the messages: it has what the pod had, and speaks
 * with the outside as the pod did.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/icmp6.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/array.h"
#include "tests/net/guest.h"
#include "tests/net/vm_net_lab.h"

#define TRANSFER (16 * 1024 * 1024)
#define PORT 5001

struct vm {
	struct net *net;
	struct guest *guest;
};

static struct vm boot(const struct lab *lab)
{
	_cleanup_(net_messages_freep) struct net_messages *messages = NULL;
	struct vm vm = { .net = join(lab) };
	struct error err;

	must(net_messages_new(&vm.net->network, &messages, &err), &err);
	must(guest_new(vm.net, &vm.guest, &err), &err);
	net_close(vm.net);
	must(guest_configure(vm.guest, messages, &err), &err);
	return vm;
}

static void vm_stop(struct vm *vm)
{
	guest_free(vm->guest);
	net_free(vm->net);
}

static void in(const struct lab *lab, int namespace, const char *command)
{
	enter(namespace);
	run("%s", command);
	enter(lab->outside);
}

static char *addresses_in(const struct lab *lab, int namespace)
{
	enter(namespace);
	char *text = output_of("ip -o address show dev eth0 | sed 's/.*inet6* //; s/ .*//' | sort");
	enter(lab->outside);
	return text;
}

/*
 * Without what a message does not carry: who made a route, and how good it is among others. And without an address's route to itself, which is
 * never used.
 */
static char *ways_in(const struct lab *lab, int namespace)
{
	enter(namespace);
	char *text = output_of("for i in -4 -6; do ip $i route show; done | sed 's/ proto [a-z]*//; s/ metric [0-9]*//; s/ pref [a-z]*//; "
			       "s/linkdown//; s/  *$//; /^fd09::2 dev eth0$/d' | sort; ip neighbour show nud permanent | sort");
	enter(lab->outside);
	return text;
}

struct like {
	const char *name, *make, *outside;
	bool alone; /* the guest has the IPv4 address without its prefix, or its peer */
};

/* As CNI plugins make it, and what else a pod's network may have. Each begins with a link that is up and has its link-local address. */
static const struct like likes[] = {
	{ "bridge", "ip addr add 10.9.0.2/24 dev eth0; ip route add default via 10.9.0.1", "true" },
	{ "bridge, dual stack",
	  "ip addr add 10.9.0.2/24 dev eth0; ip addr add fd09::2/64 dev eth0 nodad; ip route add default via 10.9.0.1; "
	  "ip -6 route add default via fd09::1",
	  "true" },
	{ "ptp",
	  "ip addr add 10.9.0.2/24 dev eth0; ip route del 10.9.0.0/24 dev eth0; ip route add 10.9.0.1/32 dev eth0 scope link src 10.9.0.2; "
	  "ip route add 10.9.0.0/24 via 10.9.0.1 src 10.9.0.2; ip route add default via 10.9.0.1; ip addr add fd09::2/64 dev eth0 nodad; "
	  "ip -6 route del fd09::/64 dev eth0; ip -6 route add fd09::1 dev eth0; ip -6 route add fd09::/64 via fd09::1; "
	  "ip -6 route add default via fd09::1",
	  "true", true },
	{ "Calico",
	  "ip addr add 10.9.0.2/32 dev eth0; ip route add 169.254.1.1 dev eth0 scope link; ip route add default via 169.254.1.1; "
	  "ip addr add fd09::2/128 dev eth0 nodad; ip -6 route add default via fe80::9 dev eth0",
	  "ip addr add 169.254.1.1/32 dev host; ip route replace 10.9.0.2/32 dev host; ip addr add fe80::9/64 dev host nodad; "
	  "ip -6 route replace fd09::2 dev host" },
	{ "Calico with a permanent neighbour",
	  "ip addr add 10.9.0.2/32 dev eth0; ip route add 169.254.1.1 dev eth0 scope link; "
	  "ip route add default via 169.254.1.1; ip neighbour add 169.254.1.1 lladdr $OUTSIDE dev eth0 nud permanent",
	  "ip route replace 10.9.0.2/32 dev host; echo 8 >/proc/sys/net/ipv4/conf/host/arp_ignore" },
	{ "gateway onlink", "ip addr add 10.9.0.2/32 dev eth0; ip route add default via 10.9.0.1 dev eth0 onlink",
	  "ip route replace 10.9.0.2/32 dev host" },
	{ "point to point", "ip addr add 10.9.0.2 peer 10.9.0.1/32 dev eth0; ip route add default via 10.9.0.1",
	  "ip route replace 10.9.0.2/32 dev host", true },
	{ "no route of the prefix",
	  "ip addr add 10.9.0.2/24 dev eth0 noprefixroute; ip route add 10.9.0.1 dev eth0; ip route add 10.9.0.128/25 via 10.9.0.1", "true",
	  true },
	{ "two addresses, a source, and an MTU",
	  "ip addr add 10.9.0.2/24 dev eth0; ip addr add 10.9.0.3/24 dev eth0; "
	  "ip route add default via 10.9.0.1 src 10.9.0.3 mtu 1300",
	  "true" },
};

static void make_like(const struct lab *lab, const struct like *like)
{
	char *text;

	in(lab, lab->pod,
	   "ip addr flush dev eth0 scope global; ip -6 route flush dev eth0 proto boot; ip neighbour flush dev eth0 nud permanent");
	assert_true(asprintf(&text, "OUTSIDE=%02x:%02x:%02x:%02x:%02x:%02x; %s", lab->outside_mac[0], lab->outside_mac[1],
			     lab->outside_mac[2], lab->outside_mac[3], lab->outside_mac[4], lab->outside_mac[5], like->make) > 0);
	in(lab, lab->pod, text);
	free(text);
	run("echo 0 >/proc/sys/net/ipv4/conf/host/arp_ignore; %s", like->outside);
}

static void test_a_guest_has_what_the_pod_had(void **state)
{
	const struct lab *lab = *state;

	for (size_t i = 0; i < ELEMENTS_OF(likes); i++) {
		make_like(lab, &likes[i]);
		_cleanup_free_ char *pod_ways = ways_in(lab, lab->pod), *pod_addresses = addresses_in(lab, lab->pod);
		_cleanup_(vm_stop) struct vm vm = boot(lab);
		_cleanup_free_ char *ways = ways_in(lab, guest_netns(vm.guest)), *addresses = addresses_in(lab, guest_netns(vm.guest));
		if (strcmp(ways, pod_ways) != 0)
			fail_msg("%s: the pod had\n%sand the guest has\n%s", likes[i].name, pod_ways, ways);
		if (likes[i].alone ? !strstr(addresses, "10.9.0.2/32\n") : strcmp(addresses, pod_addresses) != 0)
			fail_msg("%s: the pod had\n%sand the guest has\n%s", likes[i].name, pod_addresses, addresses);
	}
}

static void test_a_guest_and_the_outside_reach_each_other(void **state)
{
	const struct lab *lab = *state;

	for (size_t i = 0; i < ELEMENTS_OF(likes); i++) {
		print_message("# %s\n", likes[i].name);
		make_like(lab, &likes[i]);
		_cleanup_(vm_stop) struct vm vm = boot(lab);
		run("ping -c 1 -W 5 10.9.0.2");
		in(lab, guest_netns(vm.guest), "ping -c 1 -W 5 10.9.0.1");
		if (!strstr(likes[i].make, "fd09::2"))
			continue;
		run("ping -c 1 -W 5 fd09::2");
		in(lab, guest_netns(vm.guest), "ping -c 1 -W 5 fd09::1");
	}
}

/* ── much at once ── */

static void fill(uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		bytes[i] = (uint8_t)(i * 2654435761U >> 13);
}

static int listen_at(int namespace)
{
	struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_port = htons(PORT) };
	int on = 1, fd;

	enter(namespace);
	fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&any, sizeof(any)), 0);
	assert_int_equal(listen(fd, 1), 0);
	return fd;
}

static _Noreturn void send_all(int namespace, const char *address)
{
	_cleanup_free_ uint8_t *bytes = malloc(TRANSFER);
	struct sockaddr_in6 to = { .sin6_family = AF_INET6, .sin6_port = htons(PORT) };
	size_t sent = 0;

	enter(namespace);
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	inet_pton(AF_INET6, address, &to.sin6_addr);
	if (!bytes || connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		_exit(1);
	fill(bytes, TRANSFER);
	while (sent < TRANSFER) {
		ssize_t n = write(fd, bytes + sent, TRANSFER - sent);
		if (n <= 0)
			_exit(1);
		sent += (size_t)n;
	}
	_exit(0);
}

static void transfer(const struct lab *lab, int from, int to, const char *address)
{
	_cleanup_free_ uint8_t *expected = malloc(TRANSFER), *got = malloc(TRANSFER);
	size_t n = 0;
	ssize_t part;
	int status;

	int listener = listen_at(to);
	enter(lab->outside);
	pid_t child = fork();
	if (child == 0)
		send_all(from, address);
	int fd = accept(listener, NULL, NULL);
	assert_true(expected && got && fd >= 0);
	while (n < TRANSFER && (part = read(fd, got + n, TRANSFER - n)) > 0)
		n += (size_t)part;
	fill(expected, TRANSFER);
	assert_int_equal(n, TRANSFER);
	assert_memory_equal(got, expected, TRANSFER);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	close(fd);
	close(listener);
}

/* A number of vethvm0: "rx" is what the guest sent. */
static uint64_t count(const struct lab *lab, const char *direction, const char *what)
{
	enter(lab->pod);
	_cleanup_free_ char *text = output_of("ip -j -s link show vethvm0 | jq '.[0].stats64.%s.%s'", direction, what);
	enter(lab->outside);
	return strtoull(text, NULL, 10);
}

/* Far fewer packets than the MTU would need: neither side cuts a segment that both can take whole. */
static void assert_was_whole(const struct lab *lab, const char *direction, uint64_t packets)
{
	uint64_t n = count(lab, direction, "packets") - packets;

	print_message("# %s: %llu packets for %d bytes\n", direction, (unsigned long long)n, TRANSFER);
	assert_true(n > 0 && TRANSFER / n > 3000);
}

static void test_large_transfers_arrive_whole_in_large_segments_both_ways_and_in_both_families(void **state)
{
	static const char *const to_guest[] = { "::ffff:10.9.0.2", "fd09::2" }, *const to_outside[] = { "::ffff:10.9.0.1", "fd09::1" };
	const struct lab *lab = *state;
	_cleanup_(vm_stop) struct vm vm = boot(lab);

	for (int i = 0; i < 2; i++) {
		uint64_t sent = count(lab, "tx", "packets");
		transfer(lab, lab->outside, guest_netns(vm.guest), to_guest[i]);
		assert_was_whole(lab, "tx", sent);
		uint64_t received = count(lab, "rx", "packets");
		transfer(lab, guest_netns(vm.guest), lab->outside, to_outside[i]);
		assert_was_whole(lab, "rx", received);
	}
}

static void test_frames_as_large_as_the_mtu_pass_and_larger_ones_do_not(void **state)
{
	const struct lab *lab = *state;

	run("ip link set host mtu 9000");
	in(lab, lab->pod, "ip link set eth0 mtu 9000");
	_cleanup_(vm_stop) struct vm vm = boot(lab);
	run("ping -c 1 -W 5 -M do -s 8972 10.9.0.2; ping -c 1 -W 5 -M do -s 8952 fd09::2");
	in(lab, guest_netns(vm.guest), "ping -c 1 -W 5 -M do -s 8972 10.9.0.1; ! ping -c 1 -W 1 -M do -s 8973 10.9.0.1");
}

/* ── routers ── */

static uint16_t checksum(const uint8_t *ip, size_t n)
{
	uint32_t sum = (uint32_t)(n - 40) + IPPROTO_ICMPV6;

	for (size_t i = 8; i < n; i += 2)
		sum += (uint32_t)ip[i] << 8 | (i + 1 < n ? ip[i + 1] : 0);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t) ~(sum + (sum >> 16));
}

/* fd55::/64, for an hour, from fe80::9. */
static struct frame advertisement(const struct lab *lab)
{
	uint8_t ip[40 + 16 + 32] = { 0x60, 0, 0, 0, 0, 48, IPPROTO_ICMPV6, 255, 0xfe, 0x80, [23] = 9, 0xff, 0x02, [39] = 1 };
	uint8_t *body = ip + 40, *prefix = ip + 56;

	body[0] = ND_ROUTER_ADVERT;
	body[4] = 64;
	body[6] = 0x0e; /* seconds: 3600 */
	memcpy(prefix, (uint8_t[]){ ND_OPT_PREFIX_INFORMATION, 4, 64, 0xc0, 0, 0, 0x0e, 0x10, 0, 0, 0x0e, 0x10 }, 12);
	memcpy(prefix + 16, (uint8_t[]){ 0xfd, 0x55 }, 2);
	uint16_t sum = checksum(ip, sizeof(ip));
	body[2] = (uint8_t)(sum >> 8);
	body[3] = (uint8_t)sum;
	return frame_to((uint8_t[]){ 0x33, 0x33, 0, 0, 0, 1 }, lab->outside_mac, ETHERTYPE_IPV6, ip, sizeof(ip));
}

static void test_a_routers_advertisement_is_the_guests_alone(void **state)
{
	const struct lab *lab = *state;
	_cleanup_(vm_stop) struct vm vm = boot(lab);
	struct frame frame = advertisement(lab);

	put_on_wire(lab, &frame);
	in(lab, guest_netns(vm.guest), "timeout 10 sh -c 'until ip -6 address show dev eth0 | grep -q fd55:; do sleep 0.01; done'");
	in(lab, lab->pod, "! ip -6 address show dev eth0 | grep fd55:");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LAB(test_a_guest_has_what_the_pod_had),
		LAB(test_a_guest_and_the_outside_reach_each_other),
		LAB(test_large_transfers_arrive_whole_in_large_segments_both_ways_and_in_both_families),
		LAB(test_frames_as_large_as_the_mtu_pass_and_larger_ones_do_not),
		LAB(test_a_routers_advertisement_is_the_guests_alone),
	};

	need_namespaces();
	return cmocka_run_group_tests_name("vm_net_guest", tests, NULL, NULL);
}
