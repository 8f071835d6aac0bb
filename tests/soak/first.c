// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/soak/world.h"

#define AT_LEAST_MS 5
#define AT_MOST_MS 5000

static double now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void send_to(const char *text, int type, unsigned start)
{
	bool ipv6 = strchr(text, ':');
	struct sockaddr_in to4 = { .sin_family = AF_INET, .sin_port = htons(WORLD_PORT) };
	struct sockaddr_in6 to6 = { .sin6_family = AF_INET6, .sin6_port = htons(WORLD_PORT) };
	const struct sockaddr *to = ipv6 ? (struct sockaddr *)&to6 : (struct sockaddr *)&to4;
	int fd = socket(ipv6 ? AF_INET6 : AF_INET, type | SOCK_NONBLOCK, 0);

	inet_pton(AF_INET, text, &to4.sin_addr);
	inet_pton(AF_INET6, text, &to6.sin6_addr);
	if (connect(fd, to, ipv6 ? sizeof(to6) : sizeof(to4)) == 0)
		(void)!send(fd, &start, sizeof(start), 0);
}

static bool is_from(const char *text, const void *source, bool ipv6)
{
	uint8_t address[16];

	return inet_pton(ipv6 ? AF_INET6 : AF_INET, text, address) == 1 && memcmp(address, source, ipv6 ? 16 : 4) == 0;
}

static void note(const uint8_t *packet, bool ipv6, bool quarantined, struct first_report *report)
{
	const void *source = packet + (ipv6 ? offsetof(struct ip6_hdr, ip6_src) : offsetof(struct iphdr, saddr));

	if (is_from(ipv6 ? WORLD_NODE6 : WORLD_NODE4, source, ipv6))
		report->from_node[ipv6]++;
	else if (is_from(ipv6 ? WORLD_FRIEND6 : WORLD_FRIEND4, source, ipv6)) {
		report->from_friend[ipv6]++;
		report->forbidden += quarantined;
	} else if (is_from(ipv6 ? WORLD_FOE6 : WORLD_FOE4, source, ipv6))
		report->forbidden++;
}

static void listen_in(int packets, bool quarantined, struct first_report *report)
{
	struct sockaddr_ll from;
	socklen_t size = sizeof(from);
	uint8_t packet[2048];
	ssize_t n;

	while ((n = recvfrom(packets, packet, sizeof(packet), 0, (struct sockaddr *)&from, &size)) > 0) {
		bool ipv6 = from.sll_protocol == htons(ETH_P_IPV6);
		bool is_ip = ipv6 || from.sll_protocol == htons(ETH_P_IP);
		if (from.sll_pkttype == PACKET_HOST && is_ip && n >= (ssize_t)(ipv6 ? sizeof(struct ip6_hdr) : sizeof(struct iphdr)))
			note(packet, ipv6, quarantined, report);
	}
}

static bool has_heard_all(const struct first_report *report, bool quarantined)
{
	bool node = report->from_node[0] && report->from_node[1];

	return node && (quarantined || (report->from_friend[0] && report->from_friend[1]));
}

void first_instructions(unsigned start, bool quarantined, struct first_report *ret)
{
	static const char *const everybody[] = { WORLD_FOE4, WORLD_FOE6, WORLD_FRIEND4, WORLD_FRIEND6 };
	const struct timespec pause = { .tv_nsec = 500000 };
	int packets = socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK, htons(ETH_P_ALL));
	double begin = now_ms();

	for (int i = 0; i < 4; i++)
		send_to(everybody[i], SOCK_DGRAM, start);
	for (int i = 0; i < 2; i++)
		send_to(everybody[i], SOCK_STREAM, start);
	do {
		listen_in(packets, quarantined, ret);
		nanosleep(&pause, NULL);
	} while (now_ms() < begin + AT_LEAST_MS || (!has_heard_all(ret, quarantined) && now_ms() < begin + AT_MOST_MS));
}
