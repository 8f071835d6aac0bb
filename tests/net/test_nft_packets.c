// SPDX-License-Identifier: Apache-2.0
/*
 * Each match judges real packets as its ruleset says.
 *
 *	client ──veth── router, with the table ──veth── server
 *
 * The client may send from any address of 10.20.4.0/22 and fd20::4:0/110, the server answers on any of 10.30.4.0/22 and fd30::4:0/110.
 *
 * That a packet was dropped shows only by its absence. So sentinels follow it, IPv4 datagrams that every ruleset here lets pass: all
 * is done in order on one processor, and when they have gone to and fro a few times, a probe that is not there has been dropped.
 */
#include "tests/net/nft_support.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/array.h"

#define SENTINEL_PORT 9
#define SENTINEL_ROUNDS 10
#define PATIENCE_MS 10000 /* for what must come; no test that passes waits that long */

struct lab {
	struct world *world; /* the router's */
	int router, client, server;
	int client_sentinel, server_sentinel;
};

static int here(void)
{
	int fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static void enter(int namespace)
{
	assert_int_equal(setns(namespace, CLONE_NEWNET), 0);
}

static void write_sysctl(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, value, strlen(value)), strlen(value));
	close(fd);
}

static int namespace_new(void)
{
	enter_fresh_namespace();
	write_sysctl("/proc/sys/net/ipv6/conf/default/accept_dad", "0");
	return here();
}

/* `i` is 20 for the client's side, 30 for the server's. */
static void connect_end(const struct lab *lab, int end, const char *link, int i)
{
	enter(lab->router);
	run("ip link add %s type veth peer name eth0 netns /proc/%d/fd/%d", link, getpid(), end);
	run("ip addr add 10.%d.0.1/24 dev %s; ip addr add fd%d::1/120 dev %s nodad; ip link set %s up", i, link, i, link, link);
	run("ip route add 10.%d.4.0/22 via 10.%d.0.2; ip -6 route add fd%d::4:0/110 via fd%d::2", i, i, i, i);
	enter(end);
	run("ip addr add 10.%d.0.2/24 dev eth0; ip addr add fd%d::2/120 dev eth0 nodad; ip link set eth0 up", i, i);
	run("ip route add default via 10.%d.0.1; ip -6 route add default via fd%d::1", i, i);
	run("ip route add local 10.%d.4.0/22 dev lo; ip -6 route add local fd%d::4:0/110 dev lo", i, i);
}

struct address {
	struct sockaddr_storage storage;
	socklen_t size;
};

static struct address address_of(const char *text, uint16_t port)
{
	struct address address = {};
	struct sockaddr_in *ip4 = (struct sockaddr_in *)&address.storage;
	struct sockaddr_in6 *ip6 = (struct sockaddr_in6 *)&address.storage;

	if (inet_pton(AF_INET, text, &ip4->sin_addr) == 1) {
		ip4->sin_family = AF_INET;
		ip4->sin_port = htons(port);
		address.size = sizeof(*ip4);
	} else {
		assert_int_equal(inet_pton(AF_INET6, text, &ip6->sin6_addr), 1);
		ip6->sin6_family = AF_INET6;
		ip6->sin6_port = htons(port);
		address.size = sizeof(*ip6);
	}
	return address;
}

static int socket_at(int namespace, int type, const char *text, uint16_t port)
{
	struct address address = address_of(text, port);
	int on = 1;

	enter(namespace);
	int fd = socket(address.storage.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
	if (address.storage.ss_family == AF_INET6)
		assert_int_equal(setsockopt(fd, IPPROTO_IPV6, IPV6_FREEBIND, &on, sizeof(on)), 0);
	if (bind(fd, (struct sockaddr *)&address.storage, address.size) < 0)
		fail_msg("cannot bind %s port %u: %s", text, port, strerror(errno));
	return fd;
}

static void pin_to_one_processor(void)
{
	cpu_set_t one;

	assert_int_equal(sched_getaffinity(0, sizeof(one), &one), 0);
	for (int i = 0, kept = 0; i < CPU_SETSIZE; i++) {
		if (CPU_ISSET(i, &one) && kept++ > 0)
			CPU_CLR(i, &one);
	}
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
}

static int lab_setup(void **state)
{
	struct lab *lab = calloc(1, sizeof(*lab));

	assert_non_null(lab);
	pin_to_one_processor();
	lab->client = namespace_new();
	lab->server = namespace_new();
	assert_int_equal(world_setup((void **)&lab->world), 0);
	write_sysctl("/proc/sys/net/ipv6/conf/default/accept_dad", "0");
	write_sysctl("/proc/sys/net/ipv4/ip_forward", "1");
	write_sysctl("/proc/sys/net/ipv6/conf/all/forwarding", "1");
	lab->router = here();
	connect_end(lab, lab->client, "to-client", 20);
	connect_end(lab, lab->server, "to-server", 30);
	lab->client_sentinel = socket_at(lab->client, SOCK_DGRAM, "10.20.0.2", SENTINEL_PORT);
	lab->server_sentinel = socket_at(lab->server, SOCK_DGRAM, "10.30.0.2", SENTINEL_PORT);
	enter(lab->router);
	*state = lab;
	return 0;
}

static int lab_teardown(void **state)
{
	struct lab *lab = *state;
	const int fds[] = { lab->router, lab->client, lab->server, lab->client_sentinel, lab->server_sentinel };

	for (size_t i = 0; i < ELEMENTS_OF(fds); i++)
		close(fds[i]);
	world_teardown((void **)&lab->world);
	free(lab);
	return 0;
}

static bool ready(int fd, short events, int timeout_ms)
{
	struct pollfd poll_fd = { .fd = fd, .events = events };

	return poll(&poll_fd, 1, timeout_ms) == 1;
}

static void send_sentinel(int from, int to, const char *address)
{
	struct address target = address_of(address, SENTINEL_PORT);
	char byte;

	assert_int_equal(sendto(from, "s", 1, 0, (struct sockaddr *)&target.storage, target.size), 1);
	if (!ready(to, POLLIN, PATIENCE_MS))
		fail_msg("the sentinel for %s was lost", address);
	assert_int_equal(recv(to, &byte, 1, 0), 1);
}

static void let_sentinels_pass(const struct lab *lab)
{
	for (int i = 0; i < SENTINEL_ROUNDS; i++) {
		send_sentinel(lab->client_sentinel, lab->server_sentinel, "10.30.0.2");
		send_sentinel(lab->server_sentinel, lab->client_sentinel, "10.20.0.2");
	}
}

/* Whether `fd` becomes ready: what is expected is waited for, what must not come gets as long as the sentinels need. */
static bool comes(const struct lab *lab, int fd, short events, bool expected)
{
	if (expected)
		return ready(fd, events, PATIENCE_MS);
	let_sentinels_pass(lab);
	return ready(fd, events, 0);
}

struct probe {
	int protocol;
	const char *source, *destination;
	uint16_t port;
	bool passes;
};

static bool udp_passes(const struct lab *lab, const struct probe *probe)
{
	struct address target = address_of(probe->destination, probe->port);
	int server = socket_at(lab->server, SOCK_DGRAM, probe->destination, probe->port);
	int client = socket_at(lab->client, SOCK_DGRAM, probe->source, 0);

	assert_int_equal(sendto(client, "p", 1, 0, (struct sockaddr *)&target.storage, target.size), 1);
	bool passed = comes(lab, server, POLLIN, probe->passes);
	close(server);
	close(client);
	return passed;
}

/* The whole handshake, so that the answer must pass, too. */
static bool tcp_passes(const struct lab *lab, const struct probe *probe)
{
	struct address target = address_of(probe->destination, probe->port);
	int server = socket_at(lab->server, SOCK_STREAM, probe->destination, probe->port);
	int client = socket_at(lab->client, SOCK_STREAM, probe->source, 0);

	assert_int_equal(listen(server, 1), 0);
	assert_int_equal(connect(client, (struct sockaddr *)&target.storage, target.size), -1);
	assert_int_equal(errno, EINPROGRESS);
	bool passed = comes(lab, client, POLLOUT, probe->passes);
	close(server);
	close(client);
	return passed;
}

static void check(const struct lab *lab, const char *name, const struct probe *probe)
{
	bool passed = probe->protocol == IPPROTO_TCP ? tcp_passes(lab, probe) : udp_passes(lab, probe);

	enter(lab->router);
	if (passed != probe->passes)
		fail_msg("%s: %s from %s to %s port %u %s", name, probe->protocol == IPPROTO_TCP ? "tcp" : "udp", probe->source,
			 probe->destination, probe->port, passed ? "passed" : "was dropped");
}

static const struct rule sentinel_rule = {
	.matches = { { .type = RULESET_PROTOCOL, .first = IPPROTO_UDP },
		     { .type = RULESET_PORT, .first = SENTINEL_PORT, .last = SENTINEL_PORT } },
	.n_matches = 2,
};
static const struct rule answer_rules[] = {
	{ .matches = { { .type = RULESET_SOURCE_IN, .set = "answers4" } }, .n_matches = 1 },
	{ .matches = { { .type = RULESET_SOURCE_IN, .set = "answers6" } }, .n_matches = 1 },
};
static const struct rule drop_rule = { .verdict = RULESET_DROP };

/* forward: sentinels, this rule, drop; and answers, unless the rule itself knows what they answer. */
static void forward_with(struct lab *lab, struct rule rule)
{
	const struct rule rules[] = { sentinel_rule, rule, answer_rules[0], answer_rules[1], drop_rule };
	const struct rule bare[] = { sentinel_rule, rule, drop_rule };

	if (rule.by_connection)
		chain_of(lab->world, "forward", RULESET_HOOK_FORWARD, bare, ELEMENTS_OF(bare));
	else
		chain_of(lab->world, "forward", RULESET_HOOK_FORWARD, rules, ELEMENTS_OF(rules));
	must_apply(lab->world);
}

#define TCP IPPROTO_TCP
#define UDP IPPROTO_UDP

static void build_sets(struct lab *lab)
{
	struct world *world = lab->world;

	add_text(set_of(world, "clients4", RULESET_KEY_IPV4), "10.20.7.1", NULL, NULL);
	add_text(set_of(world, "clients6", RULESET_KEY_IPV6), "fd20::7:1", NULL, NULL);
	add_text(set_of(world, "servers4", RULESET_KEY_IPV4), "10.30.7.1", NULL, NULL);
	add_text(set_of(world, "servers6", RULESET_KEY_IPV6), "fd30::7:1", NULL, NULL);
	struct ruleset_set *blocks = interval_set_of(world, "blocks4", RULESET_KEY_IPV4);
	add_text(blocks, "10.20.5.0", "10.20.5.255", NULL);
	add_text(blocks, "10.20.6.1", "10.20.6.1", NULL);
	add_text(interval_set_of(world, "blocks6", RULESET_KEY_IPV6), "fd20::5:0", "fd20::5:ffff", NULL);
	add_text(interval_set_of(world, "bottom4", RULESET_KEY_IPV4), "0.0.0.0", "10.20.5.0", NULL);
	add_text(interval_set_of(world, "top4", RULESET_KEY_IPV4), "10.20.5.0", "255.255.255.255", NULL);
	add_text(interval_set_of(world, "all4", RULESET_KEY_IPV4), "0.0.0.0", "255.255.255.255", NULL);
	add_text(interval_set_of(world, "all6", RULESET_KEY_IPV6), "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL);
	add_text(interval_set_of(world, "answers4", RULESET_KEY_IPV4), "10.30.4.0", "10.30.7.255", NULL);
	add_text(interval_set_of(world, "answers6", RULESET_KEY_IPV6), "fd30::4:0", "fd30::7:ffff", NULL);
	struct ruleset_set *ports = interval_set_of(world, "ports", RULESET_KEY_PORT);
	add_text(ports, "80", "80", NULL);
	add_text(ports, "1000", "1999", NULL);
	add_text(ports, "65000", "65535", NULL);
	add_text(set_of(world, "served4", RULESET_KEY_IPV4_PORT), "10.30.7.1 tcp 8080", NULL, NULL);
	add_text(set_of(world, "served6", RULESET_KEY_IPV6_PORT), "fd30::7:1 udp 53", NULL, NULL);
}

static const struct {
	const char *name;
	struct rule rule;
	struct probe probes[12];
} cases[] = {
	{ "source in an IPv4 set",
	  { .matches = { { .type = RULESET_SOURCE_IN, .set = "clients4" } }, .n_matches = 1 },
	  { { TCP, "10.20.7.1", "10.30.7.1", 80, true },
	    { UDP, "10.20.7.1", "10.30.7.1", 80, true },
	    { TCP, "10.20.7.2", "10.30.7.1", 80, false },
	    { UDP, "10.20.7.2", "10.30.7.1", 80, false },
	    { TCP, "fd20::7:1", "fd30::7:1", 80, false } } },
	{ "source in an IPv6 set",
	  { .matches = { { .type = RULESET_SOURCE_IN, .set = "clients6" } }, .n_matches = 1 },
	  { { TCP, "fd20::7:1", "fd30::7:1", 80, true },
	    { UDP, "fd20::7:1", "fd30::7:1", 80, true },
	    { TCP, "fd20::7:2", "fd30::7:1", 80, false },
	    { TCP, "10.20.7.1", "10.30.7.1", 80, false } } },
	{ "destination in an IPv4 set",
	  { .matches = { { .type = RULESET_DESTINATION_IN, .set = "servers4" } }, .n_matches = 1 },
	  { { TCP, "10.20.7.1", "10.30.7.1", 80, true },
	    { TCP, "10.20.7.1", "10.30.7.2", 80, false },
	    { TCP, "fd20::7:1", "fd30::7:1", 80, false } } },
	{ "destination in an IPv6 set",
	  { .matches = { { .type = RULESET_DESTINATION_IN, .set = "servers6" } }, .n_matches = 1 },
	  { { UDP, "fd20::7:1", "fd30::7:1", 80, true },
	    { UDP, "fd20::7:1", "fd30::7:2", 80, false },
	    { UDP, "10.20.7.1", "10.30.7.1", 80, false } } },
	{ "source in IPv4 intervals",
	  { .matches = { { .type = RULESET_SOURCE_IN, .set = "blocks4" } }, .n_matches = 1 },
	  { { TCP, "10.20.4.255", "10.30.7.1", 80, false },
	    { TCP, "10.20.5.0", "10.30.7.1", 80, true },
	    { UDP, "10.20.5.77", "10.30.7.1", 80, true },
	    { TCP, "10.20.5.255", "10.30.7.1", 80, true },
	    { TCP, "10.20.6.0", "10.30.7.1", 80, false },
	    { TCP, "10.20.6.1", "10.30.7.1", 80, true },
	    { TCP, "10.20.6.2", "10.30.7.1", 80, false } } },
	{ "source in an IPv6 interval",
	  { .matches = { { .type = RULESET_SOURCE_IN, .set = "blocks6" } }, .n_matches = 1 },
	  { { TCP, "fd20::4:ffff", "fd30::7:1", 80, false },
	    { TCP, "fd20::5:0", "fd30::7:1", 80, true },
	    { TCP, "fd20::5:ffff", "fd30::7:1", 80, true },
	    { TCP, "fd20::6:0", "fd30::7:1", 80, false } } },
	{ "an interval from 0.0.0.0",
	  { .matches = { { .type = RULESET_SOURCE_IN, .set = "bottom4" } }, .n_matches = 1 },
	  { { TCP, "10.20.4.255", "10.30.7.1", 80, true },
	    { TCP, "10.20.5.0", "10.30.7.1", 80, true },
	    { TCP, "10.20.5.1", "10.30.7.1", 80, false } } },
	{ "an interval to 255.255.255.255",
	  { .matches = { { .type = RULESET_SOURCE_IN, .set = "top4" } }, .n_matches = 1 },
	  { { TCP, "10.20.4.255", "10.30.7.1", 80, false },
	    { TCP, "10.20.5.0", "10.30.7.1", 80, true },
	    { TCP, "10.20.5.1", "10.30.7.1", 80, true } } },
	{ "0.0.0.0/0",
	  { .matches = { { .type = RULESET_SOURCE_IN, .set = "all4" } }, .n_matches = 1 },
	  { { TCP, "10.20.4.255", "10.30.7.1", 80, true }, { TCP, "fd20::5:0", "fd30::7:1", 80, false } } },
	{ "::/0",
	  { .matches = { { .type = RULESET_DESTINATION_IN, .set = "all6" } }, .n_matches = 1 },
	  { { TCP, "fd20::5:0", "fd30::7:1", 80, true }, { TCP, "10.20.4.255", "10.30.7.1", 80, false } } },
	{ "a protocol",
	  { .matches = { { .type = RULESET_PROTOCOL, .first = UDP } }, .n_matches = 1 },
	  { { UDP, "10.20.7.1", "10.30.7.1", 53, true },
	    { UDP, "fd20::7:1", "fd30::7:1", 53, true },
	    { TCP, "10.20.7.1", "10.30.7.1", 53, false },
	    { TCP, "fd20::7:1", "fd30::7:1", 53, false } } },
	{ "one TCP port",
	  { .matches = { { .type = RULESET_PROTOCOL, .first = TCP }, { .type = RULESET_PORT, .first = 80, .last = 80 } }, .n_matches = 2 },
	  { { TCP, "10.20.7.1", "10.30.7.1", 79, false },
	    { TCP, "10.20.7.1", "10.30.7.1", 80, true },
	    { TCP, "fd20::7:1", "fd30::7:1", 80, true },
	    { TCP, "10.20.7.1", "10.30.7.1", 81, false },
	    { UDP, "10.20.7.1", "10.30.7.1", 80, false } } },
	{ "a range of UDP ports",
	  { .matches = { { .type = RULESET_PROTOCOL, .first = UDP }, { .type = RULESET_PORT, .first = 255, .last = 256 } },
	    .n_matches = 2 },
	  { { UDP, "10.20.7.1", "10.30.7.1", 254, false },
	    { UDP, "10.20.7.1", "10.30.7.1", 255, true },
	    { UDP, "fd20::7:1", "fd30::7:1", 256, true },
	    { UDP, "10.20.7.1", "10.30.7.1", 257, false },
	    { TCP, "10.20.7.1", "10.30.7.1", 255, false } } },
	{ "every port",
	  { .matches = { { .type = RULESET_PROTOCOL, .first = TCP }, { .type = RULESET_PORT, .first = 1, .last = 65535 } },
	    .n_matches = 2 },
	  { { TCP, "10.20.7.1", "10.30.7.1", 1, true },
	    { TCP, "10.20.7.1", "10.30.7.1", 65535, true },
	    { UDP, "10.20.7.1", "10.30.7.1", 80, false } } },
	{ "a set of ports",
	  { .matches = { { .type = RULESET_PROTOCOL, .first = TCP }, { .type = RULESET_PORT_IN, .set = "ports" } }, .n_matches = 2 },
	  { { TCP, "10.20.7.1", "10.30.7.1", 80, true },
	    { TCP, "10.20.7.1", "10.30.7.1", 81, false },
	    { TCP, "10.20.7.1", "10.30.7.1", 999, false },
	    { TCP, "10.20.7.1", "10.30.7.1", 1000, true },
	    { TCP, "fd20::7:1", "fd30::7:1", 1999, true },
	    { TCP, "10.20.7.1", "10.30.7.1", 2000, false },
	    { TCP, "10.20.7.1", "10.30.7.1", 64999, false },
	    { TCP, "10.20.7.1", "10.30.7.1", 65535, true },
	    { UDP, "10.20.7.1", "10.30.7.1", 80, false } } },
	{ "a served IPv4 port",
	  { .matches = { { .type = RULESET_SERVED_PORT_IN, .set = "served4" } }, .n_matches = 1 },
	  { { TCP, "10.20.7.1", "10.30.7.1", 8080, true },
	    { TCP, "10.20.7.1", "10.30.7.1", 8081, false },
	    { TCP, "10.20.7.1", "10.30.7.2", 8080, false },
	    { UDP, "10.20.7.1", "10.30.7.1", 8080, false },
	    { TCP, "fd20::7:1", "fd30::7:1", 8080, false } } },
	{ "a served IPv6 port",
	  { .matches = { { .type = RULESET_SERVED_PORT_IN, .set = "served6" } }, .n_matches = 1 },
	  { { UDP, "fd20::7:1", "fd30::7:1", 53, true },
	    { UDP, "fd20::7:1", "fd30::7:1", 54, false },
	    { UDP, "fd20::7:1", "fd30::7:2", 53, false },
	    { TCP, "fd20::7:1", "fd30::7:1", 53, false },
	    { UDP, "10.20.7.1", "10.30.7.1", 53, false } } },
	{ "all matches of a rule must hold",
	  { .matches = { { .type = RULESET_SOURCE_IN, .set = "clients4" },
			 { .type = RULESET_DESTINATION_IN, .set = "servers4" },
			 { .type = RULESET_PROTOCOL, .first = TCP },
			 { .type = RULESET_PORT, .first = 80, .last = 80 } },
	    .n_matches = 4 },
	  { { TCP, "10.20.7.1", "10.30.7.1", 80, true },
	    { TCP, "10.20.7.2", "10.30.7.1", 80, false },
	    { TCP, "10.20.7.1", "10.30.7.2", 80, false },
	    { TCP, "10.20.7.1", "10.30.7.1", 81, false },
	    { UDP, "10.20.7.1", "10.30.7.1", 80, false } } },
};

static void test_each_match_passes_and_drops_what_it_must(void **state)
{
	struct lab *lab = *state;

	build_sets(lab);
	for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
		forward_with(lab, cases[i].rule);
		for (const struct probe *probe = cases[i].probes; probe->source; probe++)
			check(lab, cases[i].name, probe);
	}
}

/* A rule by connection knows answers as what they answer. */
static void test_each_match_by_connection_passes_and_drops_what_it_must(void **state)
{
	struct lab *lab = *state;

	build_sets(lab);
	for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
		struct rule rule = cases[i].rule;

		rule.by_connection = true;
		forward_with(lab, rule);
		for (const struct probe *probe = cases[i].probes; probe->source; probe++)
			check(lab, cases[i].name, probe);
	}
}

static void test_a_rule_by_header_does_not_know_an_answer(void **state)
{
	struct lab *lab = *state;
	struct rule to_server = { .matches = { { .type = RULESET_SOURCE_IN, .set = "clients4" } }, .n_matches = 1 };
	const struct rule rules[] = { sentinel_rule, to_server, drop_rule };
	const struct probe with = { TCP, "10.20.7.1", "10.30.7.1", 80, true }, without = { TCP, "10.20.7.1", "10.30.7.1", 80, false };

	build_sets(lab);
	to_server.by_connection = true;
	forward_with(lab, to_server);
	check(lab, "by connection", &with);
	chain_of(lab->world, "forward", RULESET_HOOK_FORWARD, rules, ELEMENTS_OF(rules));
	must_apply(lab->world);
	check(lab, "by header", &without);
}

/* Dispatch by verdict map: an address that is in it is judged by its chain, another goes on; retargeting moves the judgement. */
static void test_maps_dispatch_and_retarget(void **state)
{
	struct lab *lab = *state;
	const struct rule accept = { .verdict = RULESET_ACCEPT };
	const struct probe passes4 = { TCP, "10.20.7.1", "10.30.7.1", 80, true }, dropped4 = { TCP, "10.20.7.1", "10.30.7.1", 80, false };
	const struct probe passes6 = { UDP, "fd20::7:1", "fd30::7:1", 80, true }, dropped6 = { UDP, "fd20::7:1", "fd30::7:1", 80, false };
	const struct probe other4 = { TCP, "10.20.7.1", "10.30.7.2", 80, true };
	const struct rule rules[] = { sentinel_rule,
				      { .verdict = RULESET_DESTINATION_MAP, .target = "to4" },
				      { .verdict = RULESET_SOURCE_MAP, .target = "from6" },
				      accept };

	struct ruleset_set *to4 = map_of(lab->world, "to4", RULESET_KEY_IPV4), *from6 = map_of(lab->world, "from6", RULESET_KEY_IPV6);
	chain_of(lab->world, "open", RULESET_NO_HOOK, &accept, 1);
	chain_of(lab->world, "closed", RULESET_NO_HOOK, &drop_rule, 1);
	chain_of(lab->world, "forward", RULESET_HOOK_FORWARD, rules, ELEMENTS_OF(rules));
	add_text(to4, "10.30.7.1", NULL, "closed");
	add_text(from6, "fd20::7:1", NULL, "open");
	must_apply(lab->world);
	check(lab, "closed by destination", &dropped4);
	check(lab, "not in the map", &other4);
	check(lab, "open by source", &passes6);
	add_text(to4, "10.30.7.1", NULL, "open");
	add_text(from6, "fd20::7:1", NULL, "closed");
	must_apply(lab->world);
	check(lab, "now open", &passes4);
	check(lab, "now closed", &dropped6);
	const struct rule jump[] = { sentinel_rule, { .verdict = RULESET_JUMP, .target = "closed" } };
	chain_of(lab->world, "forward", RULESET_HOOK_FORWARD, jump, ELEMENTS_OF(jump));
	must_apply(lab->world);
	check(lab, "closed by a jump", &dropped4);
}

/* Without neighbour discovery a router finds nobody on its links. */
static void test_neighbour_discovery_passes_the_input_hook(void **state)
{
	struct lab *lab = *state;
	const struct rule accept = { .verdict = RULESET_ACCEPT };
	const struct rule discovery = { .matches = { { .type = RULESET_ICMPV6_TYPE, .first = 133, .last = 137 } }, .n_matches = 1 };
	const struct rule others = { .matches = { { .type = RULESET_ICMPV6_TYPE, .first = 128, .last = 129 } }, .n_matches = 1 };
	const struct rule with[] = { discovery, drop_rule }, without[] = { others, drop_rule };
	const struct probe passes = { UDP, "fd20::7:1", "fd30::7:1", 80, true }, dropped = { UDP, "fd20::7:1", "fd30::7:1", 80, false };

	let_sentinels_pass(lab); /* the IPv4 neighbours are known from now on */
	chain_of(lab->world, "forward", RULESET_HOOK_FORWARD, &accept, 1);
	chain_of(lab->world, "input", RULESET_HOOK_INPUT, without, ELEMENTS_OF(without));
	must_apply(lab->world);
	check(lab, "without neighbour discovery", &dropped);
	chain_of(lab->world, "input", RULESET_HOOK_INPUT, with, ELEMENTS_OF(with));
	must_apply(lab->world);
	enter(lab->client);
	run("ip -6 neigh flush all");
	enter(lab->router);
	run("ip -6 neigh flush all");
	check(lab, "with it", &passes);
}

#define PROMISE(test) cmocka_unit_test_setup_teardown(test, lab_setup, lab_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PROMISE(test_each_match_passes_and_drops_what_it_must),
		PROMISE(test_each_match_by_connection_passes_and_drops_what_it_must),
		PROMISE(test_a_rule_by_header_does_not_know_an_answer),
		PROMISE(test_maps_dispatch_and_retarget),
		PROMISE(test_neighbour_discovery_passes_the_input_hook),
	};

	need_namespaces();
	return cmocka_run_group_tests_name("nft_packets", tests, NULL, NULL);
}
