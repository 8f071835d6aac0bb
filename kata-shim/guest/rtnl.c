// SPDX-License-Identifier: Apache-2.0
/* A socket for each request: they are few, and none is open while the agent has nothing to do. */
#include "kata-shim/guest/rtnl.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/cleanup.h"

#define ANSWER_MAX 32768
#ifndef SOL_NETLINK
#define SOL_NETLINK 270
#endif

static void *reserve(struct rtnl_request *request, size_t n)
{
	size_t padded = NLMSG_ALIGN(n);

	if (request->full || padded < n || padded > RTNL_REQUEST_MAX - request->n) {
		request->full = true;
		return NULL;
	}
	void *p = request->bytes + request->n;
	memset(p, 0, padded);
	request->n += padded;
	return p;
}

void rtnl_begin(struct rtnl_request *request, uint16_t type, uint16_t flags, const void *header, size_t n)
{
	*request = (struct rtnl_request){};
	struct nlmsghdr *message = reserve(request, sizeof(*message));
	message->nlmsg_type = type;
	message->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
	memcpy(reserve(request, n), header, n);
}

void rtnl_add(struct rtnl_request *request, uint16_t type, const void *p, size_t n)
{
	struct rtattr *attribute = n <= RTNL_REQUEST_MAX ? reserve(request, RTA_LENGTH(n)) : NULL;

	if (!attribute) {
		request->full = true;
		return;
	}
	attribute->rta_type = type;
	attribute->rta_len = (uint16_t)RTA_LENGTH(n);
	if (n)
		memcpy(RTA_DATA(attribute), p, n);
}

void rtnl_add_u32(struct rtnl_request *request, uint16_t type, uint32_t value)
{
	rtnl_add(request, type, &value, sizeof(value));
}

size_t rtnl_open_nest(struct rtnl_request *request, uint16_t type)
{
	size_t nest = request->n;

	rtnl_add(request, (uint16_t)(type | NLA_F_NESTED), NULL, 0);
	return nest;
}

void rtnl_close_nest(struct rtnl_request *request, size_t nest)
{
	if (!request->full)
		((struct rtattr *)(request->bytes + nest))->rta_len = (uint16_t)(request->n - nest);
}

const struct rtattr *rtnl_find(const struct nlmsghdr *message, size_t header_n, uint16_t type, size_t n)
{
	size_t space = NLMSG_SPACE(header_n);
	if (message->nlmsg_len < space)
		return NULL;
	const struct rtattr *at = (const struct rtattr *)((const uint8_t *)message + space);

	for (int left = (int)(message->nlmsg_len - space); RTA_OK(at, left); at = RTA_NEXT(at, left)) {
		if ((at->rta_type & NLA_TYPE_MASK) == type)
			return RTA_PAYLOAD(at) >= n ? at : NULL;
	}
	return NULL;
}

static int open_socket(struct error *err)
{
	const int yes = 1;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	if (fd < 0)
		return error_errno(err, errno, "cannot open rtnetlink");
	/* Without these an error is a number only: nothing worse. */
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &yes, sizeof(yes));
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &yes, sizeof(yes));
	return fd;
}

/* NLMSGERR_ATTR_MSG of an acknowledgement that does not repeat the request (NETLINK_CAP_ACK). */
static int read_error(const struct nlmsghdr *message, struct error *err)
{
	const struct nlmsgerr *answer = NLMSG_DATA(message);

	if (message->nlmsg_len < NLMSG_LENGTH(sizeof(*answer)))
		return error_set(err, EBADMSG, "the kernel's answer is cut");
	if (answer->error == 0)
		return 0;
	const struct rtattr *words =
		message->nlmsg_flags & NLM_F_ACK_TLVS ? rtnl_find(message, sizeof(*answer), NLMSGERR_ATTR_MSG, 1) : NULL;
	if (!words)
		return error_errno(err, -answer->error, "the kernel refuses");
	return error_errno(err, -answer->error, "the kernel refuses (%.*s)", (int)RTA_PAYLOAD(words), (const char *)RTA_DATA(words));
}

typedef int on_message(void *context, const struct nlmsghdr *message, struct error *err);

/* One datagram. 1: it was the last of an answer. */
static int take(const uint8_t *bytes, size_t n, on_message *message, void *context, struct error *err)
{
	int left = (int)n, r = 0;

	for (const struct nlmsghdr *at = (const struct nlmsghdr *)bytes; NLMSG_OK(at, (unsigned)left); at = NLMSG_NEXT(at, left)) {
		if (at->nlmsg_type == NLMSG_DONE)
			return 1;
		if (at->nlmsg_type == NLMSG_ERROR) {
			r = read_error(at, err);
			return r < 0 ? r : 1;
		}
		r = message ? message(context, at, err) : 0;
		if (r < 0)
			return r;
	}
	return 0;
}

static int converse(struct rtnl_request *request, on_message *message, void *context, struct error *err)
{
	_Alignas(struct nlmsghdr) uint8_t answer[ANSWER_MAX];
	struct nlmsghdr *header = (struct nlmsghdr *)request->bytes;
	_cleanup_close_ int fd = open_socket(err);
	int r = 0;

	if (fd < 0)
		return fd;
	if (request->full)
		return error_set(err, EMSGSIZE, "the request is longer than %u bytes", RTNL_REQUEST_MAX);
	header->nlmsg_len = (uint32_t)request->n;
	if (send(fd, request->bytes, request->n, 0) < 0)
		return error_errno(err, errno, "cannot ask rtnetlink");
	while (r == 0) {
		ssize_t n = recv(fd, answer, sizeof(answer), 0);

		if (n < 0 && errno != EINTR)
			return error_errno(err, errno, "cannot read rtnetlink's answer");
		r = n > 0 ? take(answer, (size_t)n, message, context, err) : 0;
	}
	return r < 0 ? r : 0;
}

int rtnl_run(struct rtnl_request *request, struct error *err)
{
	return converse(request, NULL, NULL, err);
}

int rtnl_dump(uint16_t type, const void *header, size_t n, on_message *message, void *context, struct error *err)
{
	struct rtnl_request request;

	rtnl_begin(&request, type, NLM_F_DUMP, header, n);
	((struct nlmsghdr *)request.bytes)->nlmsg_flags &= (uint16_t)~NLM_F_ACK;
	return converse(&request, message, context, err);
}
