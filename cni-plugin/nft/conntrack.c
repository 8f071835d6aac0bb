// SPDX-License-Identifier: Apache-2.0
/*
 *	nlmsghdr │ nfgenmsg: family │ CTA_TUPLE_ORIG ─ CTA_TUPLE_IP ─── CTA_IP_V4_SRC, _DST or _V6_…
 *	                            │               └ CTA_TUPLE_PROTO ─ CTA_PROTO_NUM, _SRC_PORT, _DST_PORT
 *	                            │ CTA_TUPLE_REPLY ─ as before
 *	                            │ CTA_STATUS, CTA_MARK, CTA_TIMEOUT: 32 bits, CTA_ZONE: 16 bits, big endian
 *	                            │ CTA_PROTOINFO ─ CTA_PROTOINFO_TCP ─ CTA_PROTOINFO_TCP_STATE
 *
 * The socket is opened for one dump and closed after it: its buffers are not worth keeping for what a person asks for now and then.
 */
#include "cni-plugin/nft/conntrack.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "cni-plugin/nft/socket.h"
#include "common/base/array.h"

#define ATTRIBUTES_MAX 32 /* above every CTA_… that is read */

static_assert(CTA_MAX < ATTRIBUTES_MAX && CTA_PROTO_MAX < ATTRIBUTES_MAX, "a table has room for every attribute of conntrack");

struct table {
	const struct nlattr *rows[ATTRIBUTES_MAX];
};

static int note(const struct nlattr *attribute, void *data)
{
	struct table *table = data;

	if (mnl_attr_get_type(attribute) < ATTRIBUTES_MAX)
		table->rows[mnl_attr_get_type(attribute)] = attribute;
	return MNL_CB_OK;
}

static struct table read_nested(const struct nlattr *attribute)
{
	struct table table = {};

	if (attribute)
		mnl_attr_parse_nested(attribute, note, &table);
	return table;
}

/* The attribute's content, if it has just this size. */
static const void *bytes_of(const struct nlattr *attribute, size_t size)
{
	return attribute && mnl_attr_get_payload_len(attribute) == size ? mnl_attr_get_payload(attribute) : NULL;
}

static uint32_t number_of(const struct nlattr *attribute)
{
	const void *bytes = bytes_of(attribute, sizeof(uint32_t));
	uint32_t number = 0;

	if (bytes)
		memcpy(&number, bytes, sizeof(number));
	return ntohl(number);
}

static uint16_t short_of(const struct nlattr *attribute)
{
	const void *bytes = bytes_of(attribute, sizeof(uint16_t));
	uint16_t number = 0;

	if (bytes)
		memcpy(&number, bytes, sizeof(number));
	return ntohs(number);
}

static bool parse_addresses(const struct nlattr *attribute, uint8_t family, struct conntrack_tuple *ret)
{
	struct table ip = read_nested(attribute);
	size_t size = family == AF_INET ? 4 : 16;
	const void *source = bytes_of(ip.rows[family == AF_INET ? CTA_IP_V4_SRC : CTA_IP_V6_SRC], size);
	const void *destination = bytes_of(ip.rows[family == AF_INET ? CTA_IP_V4_DST : CTA_IP_V6_DST], size);

	if (!source || !destination)
		return false;
	memcpy(ret->source, source, size);
	memcpy(ret->destination, destination, size);
	return true;
}

static bool parse_tuple(const struct nlattr *attribute, uint8_t family, struct conntrack_tuple *ret, uint8_t *ret_protocol)
{
	struct table tuple = read_nested(attribute);
	struct table proto = read_nested(tuple.rows[CTA_TUPLE_PROTO]);
	const uint8_t *protocol = bytes_of(proto.rows[CTA_PROTO_NUM], 1);

	if (!protocol || !parse_addresses(tuple.rows[CTA_TUPLE_IP], family, ret))
		return false;
	ret->source_port = short_of(proto.rows[CTA_PROTO_SRC_PORT]);
	ret->destination_port = short_of(proto.rows[CTA_PROTO_DST_PORT]);
	*ret_protocol = *protocol;
	return true;
}

static int parse_state(const struct nlattr *attribute)
{
	struct table info = read_nested(attribute);
	struct table tcp = read_nested(info.rows[CTA_PROTOINFO_TCP]);
	const uint8_t *state = bytes_of(tcp.rows[CTA_PROTOINFO_TCP_STATE], 1);

	return state ? *state : CONNTRACK_NO_STATE;
}

bool conntrack_parse(const struct nlmsghdr *message, struct conntrack_entry *ret)
{
	const struct nfgenmsg *header = mnl_nlmsg_get_payload(message);
	struct conntrack_entry entry = {};
	struct table table = {};
	uint8_t reply_protocol;

	if (mnl_nlmsg_get_payload_len(message) < sizeof(*header) || (header->nfgen_family != AF_INET && header->nfgen_family != AF_INET6))
		return false;
	entry.family = header->nfgen_family;
	mnl_attr_parse(message, sizeof(*header), note, &table);
	if (!parse_tuple(table.rows[CTA_TUPLE_ORIG], entry.family, &entry.original, &entry.protocol) ||
	    !parse_tuple(table.rows[CTA_TUPLE_REPLY], entry.family, &entry.reply, &reply_protocol) || reply_protocol != entry.protocol)
		return false;
	entry.status = number_of(table.rows[CTA_STATUS]);
	entry.mark = number_of(table.rows[CTA_MARK]);
	entry.timeout_s = number_of(table.rows[CTA_TIMEOUT]);
	entry.zone = short_of(table.rows[CTA_ZONE]);
	entry.state = parse_state(table.rows[CTA_PROTOINFO]);
	*ret = entry;
	return true;
}

static const char *const tcp_states[] = {
	[TCP_CONNTRACK_NONE] = "NONE",         [TCP_CONNTRACK_SYN_SENT] = "SYN_SENT",
	[TCP_CONNTRACK_SYN_RECV] = "SYN_RECV", [TCP_CONNTRACK_ESTABLISHED] = "ESTABLISHED",
	[TCP_CONNTRACK_FIN_WAIT] = "FIN_WAIT", [TCP_CONNTRACK_CLOSE_WAIT] = "CLOSE_WAIT",
	[TCP_CONNTRACK_LAST_ACK] = "LAST_ACK", [TCP_CONNTRACK_TIME_WAIT] = "TIME_WAIT",
	[TCP_CONNTRACK_CLOSE] = "CLOSE",       [TCP_CONNTRACK_LISTEN] = "SYN_SENT2",
};

const char *conntrack_state_name(const struct conntrack_entry *entry)
{
	if (entry->protocol == IPPROTO_TCP && entry->state >= 0 && (size_t)entry->state < ELEMENTS_OF(tcp_states))
		return tcp_states[entry->state];
	return entry->status & IPS_SEEN_REPLY ? "REPLIED" : "UNREPLIED";
}

bool conntrack_is_over(const struct conntrack_entry *entry)
{
	return entry->protocol == IPPROTO_TCP && (entry->state == TCP_CONNTRACK_TIME_WAIT || entry->state == TCP_CONNTRACK_CLOSE);
}

struct conntrack_dump {
	struct nft_socket socket;
	uint32_t sequence;
};

void conntrack_dump_close(struct conntrack_dump *dump)
{
	if (!dump)
		return;
	nft_socket_close(&dump->socket);
	free(dump);
}

static int send_request(struct conntrack_dump *dump, struct error *err)
{
	uint8_t buffer[NFT_REQUEST_MAX];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct nfgenmsg *header = mnl_nlmsg_put_extra_header(request, sizeof(*header));

	request->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	request->nlmsg_seq = dump->sequence = dump->socket.sequence++;
	*header = (struct nfgenmsg){ .nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0 };
	return nft_socket_send(&dump->socket, slice_from(buffer, request->nlmsg_len), err);
}

int conntrack_dump_open(struct conntrack_dump **ret, struct error *err)
{
	_cleanup_(conntrack_dump_closep) struct conntrack_dump *dump = calloc(1, sizeof(*dump));

	if (!dump)
		return error_nomem(err);
	int r = nft_socket_open(&dump->socket, err);
	if (r == 0)
		r = send_request(dump, err);
	if (r < 0)
		return error_wrap(err, "connection tracking");
	*ret = TAKE_PTR(dump);
	return 0;
}

static int take_end(const struct nlmsghdr *message, struct error *err)
{
	struct nft_answer answer = {};

	if (message->nlmsg_type == NLMSG_DONE)
		return 0;
	if (!nft_answer_parse(message, &answer))
		return error_set(err, EBADMSG, "connection tracking: the kernel's answer is cut short");
	nft_answer_error(&answer, err);
	return error_wrap(err, "connection tracking");
}

int conntrack_dump_step(struct conntrack_dump *dump, conntrack_visit *visit, void *context, struct error *err)
{
	struct conntrack_entry entry;
	struct slice bytes;
	int r = nft_socket_receive(&dump->socket, &bytes, err);

	if (r < 0)
		return error_wrap(err, "connection tracking");
	if (r == 0)
		return error_set(err, EIO, "connection tracking: the kernel has not told of all connections");
	int left = (int)bytes.n;
	for (const struct nlmsghdr *message = (const void *)bytes.p; nft_message_ok(message, left);
	     message = mnl_nlmsg_next(message, &left)) {
		if (message->nlmsg_seq != dump->sequence)
			continue;
		if (message->nlmsg_type == NLMSG_DONE || message->nlmsg_type == NLMSG_ERROR)
			return take_end(message, err);
		if (conntrack_parse(message, &entry))
			visit(context, &entry);
	}
	return 1;
}
