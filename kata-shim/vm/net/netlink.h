// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_VM_NETLINK_H
#define HOLDFAST_VM_NETLINK_H

#include <libmnl/libmnl.h>

#include "common/base/error.h"

/* An rtnetlink socket of another network namespace, and how to ask by it. */
struct netlink {
	struct mnl_socket *socket;
	unsigned sequence;
};

/* A request being written: begin, attributes by libmnl, then netlink_ask. */
struct netlink_request {
	char room[1024] __attribute__((aligned(8)));
	struct nlmsghdr *message;
};

/* A socket that was opened in that namespace; closed by netlink_close. */
int netlink_adopt(int fd, struct netlink *ret, struct error *err) must_check;
void netlink_close(struct netlink *netlink);

/* Returns the header that belongs behind the message's, zeroed. `flags` beside NLM_F_REQUEST and NLM_F_ACK. */
void *netlink_begin(struct netlink_request *request, uint16_t type, uint16_t flags, size_t header);

/* Sees each message of an answer, but acknowledgements; its failure ends the answer. */
typedef int netlink_take(void *context, const struct nlmsghdr *message, struct error *err);

/*
 * 0, or -errno with the kernel's own words (NETLINK_EXT_ACK) behind `what` in the message: "cannot redirect eth0: <words>". `take` may be
 * NULL; a request with NLM_F_DUMP asks for all that there is. EINTR: of a dump, which is worth nothing, since something changed meanwhile.
 */
int netlink_ask(struct netlink *netlink, struct netlink_request *request, netlink_take *take, void *context, const char *what,
		struct error *err) must_check;

#endif
