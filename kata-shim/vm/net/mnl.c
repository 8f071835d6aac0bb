// SPDX-License-Identifier: Apache-2.0
/*
 * What we use of libmnl, under its own names and header: the shim is a static program, and the distribution has no archive of it. A netlink
 * message is a header, a fixed part, and attributes, each with its length in front, all of them padded to four bytes.
 *
 * tests/unit/kata_shim/test_mnl.c holds it to libmnl's own. Three things it does better: it believes no message of more than 2 GiB, listens
 * to nobody but the kernel, and leaves nothing in a message's padding.
 */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ── The socket ── */

struct mnl_socket {
	int fd;
};

struct mnl_socket *mnl_socket_fdopen(int fd)
{
	struct mnl_socket *socket = malloc(sizeof(*socket));

	if (socket)
		socket->fd = fd;
	return socket;
}

int mnl_socket_close(struct mnl_socket *socket)
{
	int r = close(socket->fd);

	free(socket);
	return r;
}

int mnl_socket_setsockopt(const struct mnl_socket *socket, int type, void *value, socklen_t n)
{
	return setsockopt(socket->fd, SOL_NETLINK, type, value, n);
}

ssize_t mnl_socket_sendto(const struct mnl_socket *socket, const void *message, size_t n)
{
	const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };

	return sendto(socket->fd, message, n, 0, (const struct sockaddr *)&kernel, sizeof(kernel));
}

/* ENOSPC: it is larger than the room, and lost. EINVAL: it is not the kernel's. */
ssize_t mnl_socket_recvfrom(const struct mnl_socket *socket, void *room, size_t size)
{
	struct sockaddr_nl from;
	socklen_t n_from = sizeof(from);
	const ssize_t n = recvfrom(socket->fd, room, size, MSG_TRUNC, (struct sockaddr *)&from, &n_from);

	if (n >= 0 && ((size_t)n > size || n_from != sizeof(from) || from.nl_pid != 0)) {
		errno = (size_t)n > size ? ENOSPC : EINVAL;
		return -1;
	}
	return n;
}

/* ── Messages ── */

struct nlmsghdr *mnl_nlmsg_put_header(void *room)
{
	struct nlmsghdr *message = room;

	*message = (struct nlmsghdr){ .nlmsg_len = MNL_NLMSG_HDRLEN };
	return message;
}

void *mnl_nlmsg_put_extra_header(struct nlmsghdr *message, size_t n)
{
	char *at = (char *)message + message->nlmsg_len;

	memset(at, 0, MNL_ALIGN(n));
	message->nlmsg_len += (uint32_t)MNL_ALIGN(n);
	return at;
}

size_t mnl_nlmsg_get_payload_len(const struct nlmsghdr *message)
{
	return message->nlmsg_len - MNL_NLMSG_HDRLEN;
}

void *mnl_nlmsg_get_payload(const struct nlmsghdr *message)
{
	return (char *)message + MNL_NLMSG_HDRLEN;
}

void *mnl_nlmsg_get_payload_offset(const struct nlmsghdr *message, size_t offset)
{
	return (char *)message + MNL_NLMSG_HDRLEN + MNL_ALIGN(offset);
}

void *mnl_nlmsg_get_payload_tail(const struct nlmsghdr *message)
{
	return (char *)message + MNL_ALIGN(message->nlmsg_len);
}

bool mnl_nlmsg_ok(const struct nlmsghdr *message, int n)
{
	return n >= (int)sizeof(*message) && message->nlmsg_len >= sizeof(*message) && message->nlmsg_len <= (uint32_t)n;
}

struct nlmsghdr *mnl_nlmsg_next(const struct nlmsghdr *message, int *n)
{
	*n -= (int)MNL_ALIGN(message->nlmsg_len);
	return mnl_nlmsg_get_payload_tail(message);
}

/* ── Attributes ── */

uint16_t mnl_attr_get_type(const struct nlattr *attr)
{
	return attr->nla_type & NLA_TYPE_MASK;
}

uint16_t mnl_attr_get_payload_len(const struct nlattr *attr)
{
	return (uint16_t)(attr->nla_len - MNL_ATTR_HDRLEN);
}

void *mnl_attr_get_payload(const struct nlattr *attr)
{
	return (char *)attr + MNL_ATTR_HDRLEN;
}

uint32_t mnl_attr_get_u32(const struct nlattr *attr)
{
	uint32_t value;

	memcpy(&value, mnl_attr_get_payload(attr), sizeof(value));
	return value;
}

const char *mnl_attr_get_str(const struct nlattr *attr)
{
	return mnl_attr_get_payload(attr);
}

bool mnl_attr_ok(const struct nlattr *attr, int n)
{
	return n >= (int)sizeof(*attr) && attr->nla_len >= sizeof(*attr) && attr->nla_len <= n;
}

struct nlattr *mnl_attr_next(const struct nlattr *attr)
{
	return (struct nlattr *)((char *)attr + MNL_ALIGN(attr->nla_len));
}

/* Of texts only: they end in a NUL. */
int mnl_attr_validate(const struct nlattr *attr, enum mnl_attr_data_type type)
{
	const uint16_t n = mnl_attr_get_payload_len(attr);

	if (type == MNL_TYPE_NUL_STRING && n > 0 && ((const char *)mnl_attr_get_payload(attr))[n - 1] == 0)
		return 0;
	errno = n == 0 ? ERANGE : EINVAL;
	return -1;
}

void mnl_attr_put(struct nlmsghdr *message, uint16_t type, size_t n, const void *data)
{
	struct nlattr *attr = mnl_nlmsg_get_payload_tail(message);
	char *payload = mnl_attr_get_payload(attr);

	attr->nla_type = type;
	attr->nla_len = (uint16_t)(MNL_ATTR_HDRLEN + n);
	if (n > 0)
		memcpy(payload, data, n);
	memset(payload + n, 0, MNL_ALIGN(n) - n);
	message->nlmsg_len += (uint32_t)(MNL_ATTR_HDRLEN + MNL_ALIGN(n));
}

void mnl_attr_put_u8(struct nlmsghdr *message, uint16_t type, uint8_t value)
{
	mnl_attr_put(message, type, sizeof(value), &value);
}

void mnl_attr_put_u32(struct nlmsghdr *message, uint16_t type, uint32_t value)
{
	mnl_attr_put(message, type, sizeof(value), &value);
}

void mnl_attr_put_strz(struct nlmsghdr *message, uint16_t type, const char *text)
{
	mnl_attr_put(message, type, strlen(text) + 1, text);
}

struct nlattr *mnl_attr_nest_start(struct nlmsghdr *message, uint16_t type)
{
	struct nlattr *attr = mnl_nlmsg_get_payload_tail(message);

	attr->nla_type = NLA_F_NESTED | type;
	message->nlmsg_len += MNL_ATTR_HDRLEN;
	return attr;
}

void mnl_attr_nest_end(struct nlmsghdr *message, struct nlattr *start)
{
	start->nla_len = (uint16_t)((char *)mnl_nlmsg_get_payload_tail(message) - (char *)start);
}
