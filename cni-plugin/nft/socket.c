// SPDX-License-Identifier: Apache-2.0
/*
 * Buffers. A transaction must go to the kernel in one sendmsg(2), and netlink refuses a message above the socket's send buffer (212,992
 * bytes by default: about 500 pods). SO_SNDBUFFORCE lifts that, but wants CAP_NET_ADMIN in the first user namespace; elsewhere
 * SO_SNDBUF gives up to twice net.core.wmem_max, and the caller has to send less at a time. The buffer is a limit, not memory.
 * Every refused message is answered, so the receive buffer must hold the answers of a wholly refused transaction; NETLINK_CAP_ACK
 * keeps the kernel from sending our own message back in each of them.
 */
#include "cni-plugin/nft/socket.h"

#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define SEND_BUFFER (4 * 1024 * 1024)
#define RECEIVE_BUFFER (2 * 1024 * 1024)
#define RECEIVE_MAX (64 * 1024) /* netlink_dump() in the kernel fills at most 32 KiB */
#define SEND_OVERHEAD 32        /* netlink_sendmsg(): -EMSGSIZE if len > sk_sndbuf - 32 */

static void set_send_buffer(struct nft_socket *socket, size_t bytes)
{
	int fd = mnl_socket_get_fd(socket->mnl);
	int half = (int)(bytes / 2 + 1); /* the kernel doubles it */
	int actual = 0;
	socklen_t size = sizeof(actual);

	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &half, sizeof(half)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &half, sizeof(half));
	if (getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &actual, &size) == 0 && actual > SEND_OVERHEAD)
		socket->send_max = (size_t)actual - SEND_OVERHEAD;
}

static void set_receive_buffer(struct nft_socket *socket)
{
	int fd = mnl_socket_get_fd(socket->mnl);
	int half = RECEIVE_BUFFER / 2;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &half, sizeof(half)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &half, sizeof(half));
}

/* Both are conveniences that kernels since 4.12 and 4.3 have; without them errors are only less clear. */
static void set_answers(struct nft_socket *socket)
{
	int on = 1;

	mnl_socket_setsockopt(socket->mnl, NETLINK_EXT_ACK, &on, sizeof(on));
	mnl_socket_setsockopt(socket->mnl, NETLINK_CAP_ACK, &on, sizeof(on));
}

int nft_socket_open(struct nft_socket *ret, struct error *err)
{
	struct nft_socket socket = { .sequence = 1 };

	socket.mnl = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	if (!socket.mnl)
		return error_errno(err, errno, "cannot open a netfilter netlink socket");
	socket.receive = malloc(RECEIVE_MAX);
	if (!socket.receive) {
		nft_socket_close(&socket);
		return error_nomem(err);
	}
	if (mnl_socket_bind(socket.mnl, 0, MNL_SOCKET_AUTOPID) < 0) {
		int code = errno;
		nft_socket_close(&socket);
		return error_errno(err, code, "cannot bind a netfilter netlink socket");
	}
	set_send_buffer(&socket, SEND_BUFFER);
	set_receive_buffer(&socket);
	set_answers(&socket);
	*ret = socket;
	return 0;
}

void nft_socket_close(struct nft_socket *socket)
{
	if (socket->mnl)
		mnl_socket_close(socket->mnl);
	free(socket->receive);
	*socket = (struct nft_socket){};
}

int nft_socket_reserve(struct nft_socket *socket, size_t bytes, struct error *err)
{
	if (bytes <= socket->send_max)
		return 0;
	set_send_buffer(socket, bytes + SEND_OVERHEAD);
	if (bytes <= socket->send_max)
		return 0;
	return error_set(err, EMSGSIZE,
			 "one transaction of %zu bytes is needed, but the send buffer can have no more than %zu: raise net.core.wmem_max",
			 bytes, socket->send_max);
}

int nft_socket_send(struct nft_socket *socket, struct slice bytes, struct error *err)
{
	const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };

	for (;;) {
		ssize_t n = sendto(mnl_socket_get_fd(socket->mnl), bytes.p, bytes.n, 0, (const struct sockaddr *)&kernel, sizeof(kernel));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_errno(err, errno, "cannot send %zu bytes to the kernel", bytes.n);
		return 0;
	}
}

int nft_socket_receive(struct nft_socket *socket, struct slice *ret, struct error *err)
{
	for (;;) {
		struct sockaddr_nl from = {};
		struct iovec part = { .iov_base = socket->receive, .iov_len = RECEIVE_MAX };
		struct msghdr header = { .msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &part, .msg_iovlen = 1 };
		ssize_t n = recvmsg(mnl_socket_get_fd(socket->mnl), &header, MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n < 0)
			return error_errno(err, errno, "cannot receive the kernel's answer");
		if (header.msg_flags & MSG_TRUNC)
			return error_set(err, EMSGSIZE, "an answer of the kernel is longer than %d bytes", RECEIVE_MAX);
		if (from.nl_pid != 0) /* another process, not the kernel */
			continue;
		*ret = slice_from(socket->receive, (size_t)n);
		return 1;
	}
}

bool nft_answer_parse(const struct nlmsghdr *message, struct nft_answer *ret)
{
	const struct nlmsgerr *error = mnl_nlmsg_get_payload(message);
	struct nft_answer answer = {};
	const struct nlattr *attribute;
	size_t skip = sizeof(*error);

	if (mnl_nlmsg_get_payload_len(message) < sizeof(*error))
		return false;
	answer.code = error->error < 0 ? -error->error : 0;
	if (!(message->nlmsg_flags & NLM_F_CAPPED) && error->msg.nlmsg_len > sizeof(error->msg))
		skip += MNL_ALIGN(error->msg.nlmsg_len - sizeof(error->msg));
	if ((message->nlmsg_flags & NLM_F_ACK_TLVS) && skip <= mnl_nlmsg_get_payload_len(message)) {
		mnl_attr_for_each(attribute, message, skip)
		{
			uint16_t type = mnl_attr_get_type(attribute);
			if (type == NLMSGERR_ATTR_MSG && mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) == 0)
				answer.text = mnl_attr_get_str(attribute);
			if (type == NLMSGERR_ATTR_OFFS && mnl_attr_validate(attribute, MNL_TYPE_U32) == 0)
				answer.offset = mnl_attr_get_u32(attribute);
		}
	}
	*ret = answer;
	return true;
}

int nft_answer_error(const struct nft_answer *answer, struct error *err)
{
	const char *text = answer->text ? answer->text : "";

	if (answer->offset)
		return error_set(err, answer->code, "kernel: %s (%s%sattribute at byte %u)", strerror(answer->code), text,
				 *text ? "; " : "", answer->offset);
	if (*text)
		return error_set(err, answer->code, "kernel: %s (%s)", strerror(answer->code), text);
	return error_set(err, answer->code, "kernel: %s", strerror(answer->code));
}

struct nlmsghdr *nft_request(void *buffer, uint16_t type, uint16_t flags, uint8_t family)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct nfgenmsg *extra = mnl_nlmsg_put_extra_header(message, sizeof(*extra));

	message->nlmsg_type = (NFNL_SUBSYS_NFTABLES << 8) | type;
	message->nlmsg_flags = NLM_F_REQUEST | flags;
	extra->nfgen_family = family;
	extra->version = NFNETLINK_V0;
	return message;
}

struct request {
	uint32_t sequence;
	bool dump, done, interrupted;
	nft_visit *visit;
	void *context;
};

/* NLMSG_DONE carries the dump's own error, if it has one. */
static int take_end(struct request *request, const struct nlmsghdr *message, struct error *err)
{
	request->done = true;
	if (mnl_nlmsg_get_payload_len(message) >= sizeof(int32_t)) {
		int32_t code = *(const int32_t *)mnl_nlmsg_get_payload(message);
		if (code < 0)
			return error_set(err, -code, "kernel: %s", strerror(-code));
	}
	return 0;
}

static int take_message(struct request *request, const struct nlmsghdr *message, struct error *err)
{
	struct nft_answer answer;

	if (message->nlmsg_flags & NLM_F_DUMP_INTR)
		request->interrupted = true;
	if (message->nlmsg_type == NLMSG_DONE)
		return take_end(request, message, err);
	if (message->nlmsg_type == NLMSG_ERROR) {
		request->done = true;
		if (!nft_answer_parse(message, &answer))
			return error_set(err, EPROTO, "an answer of the kernel is too short");
		return answer.code ? nft_answer_error(&answer, err) : 0;
	}
	if (!request->dump)
		request->done = true;
	if (mnl_nlmsg_get_payload_len(message) < sizeof(struct nfgenmsg))
		return error_set(err, EPROTO, "an answer of the kernel is too short");
	return request->visit(message, request->context, err);
}

/* The first failure is kept in `result`, the rest is only read away. */
static void take_datagram(struct request *request, struct slice datagram, int *result, struct error *err)
{
	const struct nlmsghdr *message = (const struct nlmsghdr *)datagram.p;
	int left = (int)datagram.n;
	struct error ignored;

	for (; nft_message_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
		if (message->nlmsg_seq != request->sequence)
			continue;
		int r = take_message(request, message, *result < 0 ? &ignored : err);
		if (*result == 0 && r < 0)
			*result = r;
	}
}

int nft_socket_request(struct nft_socket *socket, struct nlmsghdr *request, nft_visit *visit, void *context, struct error *err)
{
	struct request state = { .visit = visit, .context = context, .sequence = socket->sequence++ };
	struct slice datagram;
	struct error ignored;
	int result = 0;

	state.dump = (request->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
	request->nlmsg_seq = state.sequence;
	int r = nft_socket_send(socket, slice_from(request, request->nlmsg_len), err);
	if (r < 0)
		return r;
	while (!state.done) {
		r = nft_socket_receive(socket, &datagram, result < 0 ? &ignored : err);
		if (r == 0)
			return result < 0 ? result : error_set(err, EIO, "the kernel's answer ends too early");
		if (r < 0 && result == 0)
			result = r;
		if (r < 0 && r != -ENOBUFS && r != -EMSGSIZE) /* the socket itself is broken */
			return result;
		if (r > 0)
			take_datagram(&state, datagram, &result, err);
	}
	if (result == 0 && state.interrupted)
		return error_set(err, EAGAIN, "nf_tables was changed while it was read");
	return result;
}
