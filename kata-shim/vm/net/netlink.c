// SPDX-License-Identifier: Apache-2.0
#include "kata-shim/vm/net/netlink.h"

#include <errno.h>
#include <linux/netlink.h>
#include <string.h>

#define ANSWER_MAX (16 * 1024) /* the kernel makes a dump's parts no larger than what the reader asks for */

int netlink_adopt(int fd, struct netlink *ret, struct error *err)
{
	struct mnl_socket *socket = mnl_socket_fdopen(fd);
	int on = 1;

	if (!socket)
		return error_errno(err, errno, "cannot use a netlink socket");
	mnl_socket_setsockopt(socket, NETLINK_EXT_ACK, &on, sizeof(on)); /* without it only the words are missing */
	*ret = (struct netlink){ .socket = socket };
	return 0;
}

void netlink_close(struct netlink *netlink)
{
	if (netlink->socket)
		mnl_socket_close(netlink->socket);
	netlink->socket = NULL;
}

void *netlink_begin(struct netlink_request *request, uint16_t type, uint16_t flags, size_t header)
{
	request->message = mnl_nlmsg_put_header(request->room);
	request->message->nlmsg_type = type;
	request->message->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
	return mnl_nlmsg_put_extra_header(request->message, header);
}

/* The kernel's words of a refusal; NULL if it has none. With NLM_F_CAPPED the request is not repeated in front of them. */
static const char *words_of(const struct nlmsghdr *message)
{
	const struct nlmsgerr *body = mnl_nlmsg_get_payload(message);
	size_t before = sizeof(*body);
	const struct nlattr *attr;

	if (!(message->nlmsg_flags & NLM_F_ACK_TLVS))
		return NULL;
	if (!(message->nlmsg_flags & NLM_F_CAPPED) && body->msg.nlmsg_len < sizeof(body->msg))
		return NULL;
	if (!(message->nlmsg_flags & NLM_F_CAPPED))
		before += body->msg.nlmsg_len - sizeof(body->msg);
	if (before > mnl_nlmsg_get_payload_len(message))
		return NULL;
	mnl_attr_for_each(attr, message, before)
	{
		if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_MSG && mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0)
			return mnl_attr_get_str(attr);
	}
	return NULL;
}

/* 0 for an acknowledgement. */
static int answer_of(const struct nlmsghdr *message, const char *what, struct error *err)
{
	const struct nlmsgerr *body = mnl_nlmsg_get_payload(message);

	if (mnl_nlmsg_get_payload_len(message) < sizeof(*body))
		return error_set(err, EBADMSG, "%s: the kernel's answer is too short", what);
	const char *words = body->error ? words_of(message) : NULL;
	if (words)
		return error_errno(err, -body->error, "%s: %s", what, words);
	return body->error ? error_errno(err, -body->error, "%s", what) : 0;
}

struct reading {
	struct netlink *netlink;
	netlink_take *take;
	void *context;
	const char *what;
	bool interrupted, ended;
};

static int read_part(struct reading *reading, const char *part, int n, struct error *err)
{
	for (const struct nlmsghdr *message = (const struct nlmsghdr *)part; mnl_nlmsg_ok(message, n);
	     message = mnl_nlmsg_next(message, &n)) {
		if (message->nlmsg_seq != reading->netlink->sequence)
			continue;
		reading->interrupted |= message->nlmsg_flags & NLM_F_DUMP_INTR;
		reading->ended |= message->nlmsg_type == NLMSG_DONE || message->nlmsg_type == NLMSG_ERROR;
		int r = 0;
		if (message->nlmsg_type == NLMSG_ERROR)
			r = answer_of(message, reading->what, err);
		else if (message->nlmsg_type >= NLMSG_MIN_TYPE && reading->take)
			r = reading->take(reading->context, message, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_answer(struct reading *reading, struct error *err)
{
	char part[ANSWER_MAX] __attribute__((aligned(8)));
	int r = 0;

	while (r == 0 && !reading->ended) {
		ssize_t n = mnl_socket_recvfrom(reading->netlink->socket, part, sizeof(part));
		if (n < 0)
			return error_errno(err, errno, "%s", reading->what);
		r = read_part(reading, part, (int)n, err);
	}
	return r;
}

int netlink_ask(struct netlink *netlink, struct netlink_request *request, netlink_take *take, void *context, const char *what,
		struct error *err)
{
	struct reading reading = { .netlink = netlink, .take = take, .context = context, .what = what };

	request->message->nlmsg_seq = ++netlink->sequence;
	if (mnl_socket_sendto(netlink->socket, request->message, request->message->nlmsg_len) < 0)
		return error_errno(err, errno, "%s", what);
	int r = read_answer(&reading, err);
	return r == 0 && reading.interrupted ? error_set(err, EINTR, "%s: it changes all the time", what) : r;
}
