// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_NFT_CONNTRACK_H
#define HOLDFAST_NFT_CONNTRACK_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/cleanup.h"
#include "common/base/error.h"

struct nlmsghdr;

/*
 * The connections that the kernel tracks in this network namespace, by ctnetlink (linux/netfilter/nfnetlink_conntrack.h). Read only.
 *
 * A connection has two tuples. `original` is what the one who opened it sent; `reply` is what an answer looks like. Where a Service was
 * translated they differ: the reply's source is the pod that really answers, the original's destination is the Service.
 */
struct conntrack_tuple {
	uint8_t source[16], destination[16];    /* IPv4 in the first four bytes, the rest zero */
	uint16_t source_port, destination_port; /* host byte order; 0 where the protocol has none */
};

enum conntrack_state { CONNTRACK_NO_STATE = -1 }; /* else the protocol's own number: TCP's of nf_conntrack_tcp.h */

struct conntrack_entry {
	uint8_t family;   /* AF_INET or AF_INET6 */
	uint8_t protocol; /* IPPROTO_… */
	struct conntrack_tuple original, reply;
	uint32_t status; /* enum ip_conntrack_status */
	uint32_t mark;
	uint32_t timeout_s; /* 0 if the kernel did not say */
	uint16_t zone;
	int state;
};

/* No I/O. False: it is no complete entry of either family; then `*ret` is not set. */
bool conntrack_parse(const struct nlmsghdr *message, struct conntrack_entry *ret);

/* "ESTABLISHED", "TIME_WAIT"; for other protocols than TCP "REPLIED" or "UNREPLIED". */
const char *conntrack_state_name(const struct conntrack_entry *entry);

/* Nothing but a closed one's remains, or nobody answered yet: it carries nothing that could be cut. */
bool conntrack_is_over(const struct conntrack_entry *entry);

/*
 * A dump of both families, one datagram (up to 32 KiB, a hundred entries) for each step, so that a loop can do other things in between. It
 * never waits. Connections that come and go meanwhile may be seen or not, or be seen twice.
 */
struct conntrack_dump;
typedef void conntrack_visit(void *context, const struct conntrack_entry *entry);

int conntrack_dump_open(struct conntrack_dump **ret, struct error *err) must_check;
/* 1: more is to come; 0: that was all. An error ends it. */
int conntrack_dump_step(struct conntrack_dump *dump, conntrack_visit *visit, void *context, struct error *err) must_check;
void conntrack_dump_close(struct conntrack_dump *dump); /* accepts NULL */
DEFINE_CLEANUP(struct conntrack_dump *, conntrack_dump_close);

#endif
