// SPDX-License-Identifier: Apache-2.0
/* Messages as the kernel builds them, written by hand from linux/netfilter/nfnetlink_log.h. */
#include "tests/unit/common/cmocka_all.h"

#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <string.h>

#include "cni-plugin/nft/nflog_packet.h"

#define MESSAGE_MAX 512

static struct nlmsghdr *message(void *buffer, const char *prefix, const void *payload, size_t n)
{
	const struct nfulnl_msg_packet_hdr packet = { .hw_protocol = htons(0x0806) };
	struct nlmsghdr *head = mnl_nlmsg_put_header(buffer);

	head->nlmsg_type = NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_PACKET;
	mnl_nlmsg_put_extra_header(head, sizeof(struct nfgenmsg));
	mnl_attr_put(head, NFULA_PACKET_HDR, sizeof(packet), &packet);
	mnl_attr_put_u32(head, NFULA_IFINDEX_INDEV, htonl(7));
	if (prefix)
		mnl_attr_put_strz(head, NFULA_PREFIX, prefix);
	mnl_attr_put(head, NFULA_PAYLOAD, n, payload);
	return head;
}

static const uint8_t tcp4[] = { 0x46, 0,    0,  32, 0, 0, 0, 0, 64, 6, 0, 0, 10, 1, 0, 2, 10, 1, 0, 3, 1, 1, 1, 1, /* options */
				0x9c, 0x40, 21, 56 };
static const uint8_t udp6_behind_extensions[] = { 0x60, 0, 0, 0, 0,    0, 0, 64, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
						  0,    0, 0, 2, 0xfd, 0, 0, 0,  0,    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3,
						  44,   0, 0, 0, 0,    0, 0, 0,  17,   0, 0, 1, 0, 0, 0, 9, 0, 5, 0, 53 };

static void assert_address(const struct kube_address *address, const char *text)
{
	struct kube_address expected;
	struct error err;

	assert_int_equal(kube_address_parse(text, &expected, &err), 0);
	assert_true(kube_address_equals(address, &expected));
}

static void test_reads_addresses_protocol_ports_and_prefix(void **state)
{
	uint8_t buffer[MESSAGE_MAX];
	struct nflog_packet packet;

	assert_true(nflog_packet_parse(message(buffer, "dropped-policy-ingress", tcp4, sizeof(tcp4)), &packet));
	assert_string_equal(packet.prefix, "dropped-policy-ingress");
	assert_int_equal(packet.interface, 7);
	assert_int_equal(packet.ethertype, 0x0806);
	assert_address(&packet.source, "10.1.0.2");
	assert_address(&packet.destination, "10.1.0.3");
	assert_int_equal(packet.protocol, IPPROTO_TCP);
	assert_true(packet.has_ports);
	assert_int_equal(packet.source_port, 40000);
	assert_int_equal(packet.destination_port, 5432);
}

static void test_finds_ports_behind_ipv6_extension_headers(void **state)
{
	uint8_t buffer[MESSAGE_MAX];
	struct nflog_packet packet;

	assert_true(nflog_packet_parse(message(buffer, NULL, udp6_behind_extensions, sizeof(udp6_behind_extensions)), &packet));
	assert_string_equal(packet.prefix, "");
	assert_address(&packet.source, "fd00::2");
	assert_address(&packet.destination, "fd00::3");
	assert_int_equal(packet.protocol, IPPROTO_UDP);
	assert_int_equal(packet.source_port, 5);
	assert_int_equal(packet.destination_port, 53);
}

static void test_later_fragments_and_protocols_without_ports_have_none(void **state)
{
	uint8_t buffer[MESSAGE_MAX], bytes[sizeof(udp6_behind_extensions)];
	struct nflog_packet packet;

	memcpy(bytes, tcp4, sizeof(tcp4));
	bytes[7] = 1;
	assert_true(nflog_packet_parse(message(buffer, "", bytes, sizeof(tcp4)), &packet));
	assert_false(packet.has_ports);
	memcpy(bytes, tcp4, sizeof(tcp4));
	bytes[9] = IPPROTO_ICMP;
	assert_true(nflog_packet_parse(message(buffer, "", bytes, sizeof(tcp4)), &packet));
	assert_false(packet.has_ports);
	assert_int_equal(packet.protocol, IPPROTO_ICMP);
	memcpy(bytes, udp6_behind_extensions, sizeof(bytes));
	bytes[50] = 1;
	assert_true(nflog_packet_parse(message(buffer, "", bytes, sizeof(bytes)), &packet));
	assert_false(packet.has_ports);
}

/* Every length; each from memory that ends there, so that a sanitizer sees a read behind it. */
static void test_a_packet_that_was_cut_anywhere_is_read_as_far_as_it_goes(void **state)
{
	uint8_t buffer[MESSAGE_MAX];
	struct nflog_packet packet;

	for (size_t n = 0; n <= sizeof(udp6_behind_extensions); n++) {
		struct nlmsghdr *whole = message(buffer, "p", udp6_behind_extensions, n);
		struct nlmsghdr *copy = malloc(whole->nlmsg_len);

		assert_non_null(copy);
		memcpy(copy, whole, whole->nlmsg_len);
		assert_true(nflog_packet_parse(copy, &packet));
		assert_int_equal(packet.source.family, n >= 40 ? AF_INET6 : 0);
		assert_int_equal(packet.has_ports, n == sizeof(udp6_behind_extensions));
		free(copy);
	}
}

static void test_other_messages_are_no_packets(void **state)
{
	uint8_t buffer[MESSAGE_MAX];
	struct nlmsghdr *head = message(buffer, "", tcp4, sizeof(tcp4));
	struct nflog_packet packet;

	head->nlmsg_type = NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_CONFIG;
	assert_false(nflog_packet_parse(head, &packet));
	head->nlmsg_type = NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_PACKET;
	head->nlmsg_len = sizeof(*head);
	assert_false(nflog_packet_parse(head, &packet));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads_addresses_protocol_ports_and_prefix),
		cmocka_unit_test(test_finds_ports_behind_ipv6_extension_headers),
		cmocka_unit_test(test_later_fragments_and_protocols_without_ports_have_none),
		cmocka_unit_test(test_a_packet_that_was_cut_anywhere_is_read_as_far_as_it_goes),
		cmocka_unit_test(test_other_messages_are_no_packets),
	};

	return cmocka_run_group_tests_name("nflog_packet", tests, NULL, NULL);
}
