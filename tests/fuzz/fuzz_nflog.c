// SPDX-License-Identifier: Apache-2.0
/*
 * The input is the attributes of one NFLOG packet message, in memory of its own: what is said of it is within its limits. libmnl reads to the
 * end of the padding, which a datagram's buffer has room for.
 */
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <string.h>

#include "cni-plugin/nft/nflog_packet.h"
#include "tests/fuzz/fuzz.h"

#define INPUT_MAX 4096
#define HEAD_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct nflog_packet packet;
	uint8_t head_bytes[HEAD_MAX];

	if (size > INPUT_MAX)
		return 0;
	struct nlmsghdr *head = mnl_nlmsg_put_header(head_bytes);
	head->nlmsg_type = NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_PACKET;
	mnl_nlmsg_put_extra_header(head, sizeof(struct nfgenmsg));
	size_t head_size = head->nlmsg_len;
	struct nlmsghdr *message = calloc(1, MNL_ALIGN(head_size + size));
	ABORT_ON(!message);
	memcpy(message, head, head_size);
	memcpy((uint8_t *)message + head_size, data, size);
	message->nlmsg_len = (uint32_t)(head_size + size);
	ABORT_ON(!nflog_packet_parse(message, &packet));
	ABORT_ON(strlen(packet.prefix) > NFLOG_PREFIX_MAX);
	ABORT_ON(packet.source.family != packet.destination.family);
	ABORT_ON(packet.has_ports && packet.source.family == 0);
	ABORT_ON(!packet.has_ports && (packet.source_port || packet.destination_port));
	free(message);
	return 0;
}
