// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_GUEST_RTNL_H
#define HOLDFAST_GUEST_RTNL_H

#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/error.h"

/* rtnetlink, as little as the agent needs of it: libmnl cannot be had as an archive, and the agent is static. */
#define RTNL_REQUEST_MAX 1024u

/* Bounded, with a sticky error: append freely, rtnl_run checks. */
struct rtnl_request {
	_Alignas(struct nlmsghdr) uint8_t bytes[RTNL_REQUEST_MAX];
	size_t n;
	bool full;
};

/* `flags` besides NLM_F_REQUEST | NLM_F_ACK; `header` is the family's: ifinfomsg, ifaddrmsg, rtmsg, ndmsg. */
void rtnl_begin(struct rtnl_request *request, uint16_t type, uint16_t flags, const void *header, size_t n);
void rtnl_add(struct rtnl_request *request, uint16_t type, const void *p, size_t n);
void rtnl_add_u32(struct rtnl_request *request, uint16_t type, uint32_t value);
/* Attributes added between the two are inside. */
size_t rtnl_open_nest(struct rtnl_request *request, uint16_t type);
void rtnl_close_nest(struct rtnl_request *request, size_t nest);

/* Sends it and waits for the answer, in the network namespace of the caller. Errors: the kernel's, with its own words. */
int rtnl_run(struct rtnl_request *request, struct error *err) must_check;

/* Asks for all of one kind (RTM_GETLINK …). `message` is called for each; an error of it ends the walk. */
int rtnl_dump(uint16_t type, const void *header, size_t n, int (*message)(void *context, const struct nlmsghdr *message, struct error *err),
	      void *context, struct error *err) must_check;

/*
 * The first attribute of that type of a message whose family's header has `header_n` bytes; NULL: it has none with at least `n` bytes.
 * Its content is at RTA_DATA, RTA_PAYLOAD bytes.
 */
const struct rtattr *rtnl_find(const struct nlmsghdr *message, size_t header_n, uint16_t type, size_t n);

#endif
