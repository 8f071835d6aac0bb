// SPDX-License-Identifier: Apache-2.0
#include "tests/net/vm_net_lab.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <netinet/icmp6.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE_MS 10000 /* for what must come; no test that passes waits that long */

static int here(void)
{
	int fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

void enter(int namespace)
{
	assert_int_equal(setns(namespace, CLONE_NEWNET), 0);
}

static int namespace_new(void)
{
	enter_fresh_namespace();
	run("echo 0 >/proc/sys/net/ipv6/conf/all/accept_dad; echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad");
	return here();
}

void must(int r, const struct error *err)
{
	if (r < 0)
		fail_msg("%s", err->message);
}

static void mac_of(const char *link, uint8_t mac[static ETHER_ADDR_LEN])
{
	struct ifreq request = {};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	strcpy(request.ifr_name, link);
	assert_int_equal(ioctl(fd, SIOCGIFHWADDR, &request), 0);
	memcpy(mac, request.ifr_hwaddr.sa_data, ETHER_ADDR_LEN);
	close(fd);
}

static int open_wire(const char *link)
{
	struct sockaddr_ll address = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	int on = 1, fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct ifreq request = {};

	strcpy(request.ifr_name, link);
	assert_int_equal(ioctl(fd, SIOCGIFINDEX, &request), 0);
	address.sll_ifindex = request.ifr_ifindex;
	assert_int_equal(setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void pin_to_one_processor(void)
{
	int cpu = sched_getcpu();
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(cpu < 0 ? 0 : cpu, &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
}

int lab_setup(void **state)
{
	struct lab *lab = calloc(1, sizeof(*lab));

	assert_non_null(lab);
	pin_to_one_processor();
	lab->pod = namespace_new();
	lab->outside = namespace_new();
	snprintf(lab->path, sizeof(lab->path), "/proc/self/fd/%d", lab->pod);
	run("ip link add host type veth peer name eth0 netns /proc/%d/fd/%d", getpid(), lab->pod);
	run("ip addr add 10.9.0.1/24 dev host; ip addr add fd09::1/64 dev host nodad; ip link set host up");
	enter(lab->pod);
	run("ip addr add 10.9.0.2/24 dev eth0; ip addr add fd09::2/64 dev eth0 nodad; ip link set eth0 up");
	run("ip route add default via 10.9.0.1; ip -6 route add default via fd09::1");
	run("until ip -6 -o address show dev eth0 scope link -tentative | grep -q fe80; do sleep 0.01; done");
	mac_of("eth0", lab->mac);
	enter(lab->outside);
	mac_of("host", lab->outside_mac);
	lab->wire = open_wire("host");
	*state = lab;
	return 0;
}

int lab_teardown(void **state)
{
	struct lab *lab = *state;

	close(lab->wire);
	close(lab->outside);
	close(lab->pod);
	free(lab);
	return 0;
}

struct net *join(const struct lab *lab)
{
	struct net *net = NULL;
	struct error err;

	must(net_join(lab->path, &net, &err), &err);
	return net;
}

struct frame frame_to(const uint8_t *mac, const uint8_t *from, uint16_t type, const void *body, size_t n)
{
	struct frame frame = { .n = 14 + n };

	memcpy(frame.bytes, mac, 6);
	memcpy(frame.bytes + 6, from, 6);
	frame.bytes[12] = (uint8_t)(type >> 8);
	frame.bytes[13] = (uint8_t)type;
	memcpy(frame.bytes + 14, body, n);
	return frame;
}

void put_on_wire(const struct lab *lab, const struct frame *frame)
{
	assert_int_equal(send(lab->wire, frame->bytes, frame->n, 0), frame->n);
}

void put_on_tap(int tap, const struct frame *frame)
{
	uint8_t bytes[VNET_HEADER + sizeof(frame->bytes)] = {};

	memcpy(bytes + VNET_HEADER, frame->bytes, frame->n);
	assert_int_equal(write(tap, bytes, VNET_HEADER + frame->n), VNET_HEADER + frame->n);
}

bool is_ready(int fd, int timeout_ms)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

	return poll(&poll_fd, 1, timeout_ms) == 1;
}

void take_frame(int fd, size_t header, struct frame *ret)
{
	uint8_t bytes[sizeof(ret->bytes) + VNET_HEADER];

	if (!is_ready(fd, PATIENCE_MS))
		fail_msg("no frame comes");
	ssize_t n = read(fd, bytes, sizeof(bytes));
	assert_true(n >= (ssize_t)header);
	memcpy(ret->bytes, bytes + header, (size_t)n - header);
	ret->n = (size_t)n - header;
}

uint16_t frame_type(const struct frame *frame)
{
	return (uint16_t)(frame->bytes[12] << 8 | frame->bytes[13]);
}

void assert_next_is(int fd, size_t header, const struct frame *expected)
{
	struct frame frame;

	take_frame(fd, header, &frame);
	assert_int_equal(frame.n, expected->n);
	assert_memory_equal(frame.bytes, expected->bytes, expected->n);
}

void send_sentinel(const struct lab *lab, int tap)
{
	static uint8_t number;
	const uint8_t body[46] = { ++number };
	struct frame sentinel = frame_to(lab->mac, lab->outside_mac, SENTINEL_TYPE, body, sizeof(body)), frame;

	put_on_wire(lab, &sentinel);
	do
		take_frame(tap, VNET_HEADER, &frame);
	while (frame_type(&frame) != SENTINEL_TYPE || frame.bytes[14] != number);
}

static bool is_answer(const struct frame *frame)
{
	const uint8_t *ip = frame->bytes + 14;

	if (frame_type(frame) != ETHERTYPE_IPV6 || frame->n < 14 + 41)
		return true;
	return ip[6] != IPPROTO_HOPOPTS && !(ip[6] == IPPROTO_ICMPV6 && ip[40] == ND_ROUTER_SOLICIT);
}

bool take_answer(const struct lab *lab, struct frame *ret)
{
	while (is_ready(lab->wire, 0)) {
		take_frame(lab->wire, 0, ret);
		if (is_answer(ret))
			return true;
	}
	return false;
}
