// SPDX-License-Identifier: Apache-2.0
#include "cni-plugin/nft/nflog.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>

#include "cni-plugin/nft/socket.h"
#include "cni-plugin/policy/ruleset.h"

struct nflog {
	struct nft_socket socket;
};

static int no_answer(const struct nlmsghdr *message, void *context, struct error *err)
{
	return 0;
}

/* Becomes the group's reader, and asks for the first bytes of each packet. */
static int bind_group(struct nflog *nflog, uint16_t group, struct error *err)
{
	const struct nfulnl_msg_config_cmd command = { .command = NFULNL_CFG_CMD_BIND };
	const struct nfulnl_msg_config_mode mode = { .copy_range = htonl(RULESET_LOG_BYTES), .copy_mode = NFULNL_COPY_PACKET };
	uint8_t buffer[NFT_REQUEST_MAX];
	struct nlmsghdr *request = nft_request(buffer, 0, NLM_F_ACK, AF_UNSPEC);
	struct nfgenmsg *extra = mnl_nlmsg_get_payload(request);

	request->nlmsg_type = NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_CONFIG;
	extra->res_id = htons(group);
	mnl_attr_put(request, NFULA_CFG_CMD, sizeof(command), &command);
	mnl_attr_put(request, NFULA_CFG_MODE, sizeof(mode), &mode);
	return nft_socket_request(&nflog->socket, request, no_answer, NULL, err);
}

/* nfnetlink answers EINVAL for a subsystem that it does not have, and NFLOG EPERM (or EBUSY) for a group of another socket. */
static int explain(int r, uint16_t group, struct error *err)
{
	if (r == -EINVAL)
		return error_set(err, EOPNOTSUPP, "this kernel has no NFLOG (nfnetlink_log)");
	if (r == -EBUSY || r == -EPERM)
		return error_set(err, EBUSY, "NFLOG group %u is read by another program", group);
	return error_wrap(err, "NFLOG group %u", group);
}

int nflog_open(uint16_t group, struct nflog **ret, struct error *err)
{
	_cleanup_(nflog_closep) struct nflog *nflog = calloc(1, sizeof(*nflog));

	if (!nflog)
		return error_nomem(err);
	int r = nft_socket_open(&nflog->socket, err);
	if (r < 0)
		return r;
	r = bind_group(nflog, group, err);
	if (r < 0)
		return explain(r, group, err);
	*ret = TAKE_PTR(nflog);
	return 0;
}

void nflog_close(struct nflog *nflog)
{
	if (!nflog)
		return;
	nft_socket_close(&nflog->socket);
	free(nflog);
}

int nflog_descriptor(const struct nflog *nflog)
{
	return mnl_socket_get_fd(nflog->socket.mnl);
}

int nflog_receive(struct nflog *nflog, void (*take)(void *context, const struct nflog_packet *packet), void *context, struct error *err)
{
	struct nflog_packet packet;
	struct slice datagram;

	int r = nft_socket_receive(&nflog->socket, &datagram, err);
	if (r <= 0)
		return r;
	const struct nlmsghdr *message = (const struct nlmsghdr *)datagram.p;
	for (int left = (int)datagram.n; nft_message_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
		if (nflog_packet_parse(message, &packet))
			take(context, &packet);
	}
	return 1;
}
