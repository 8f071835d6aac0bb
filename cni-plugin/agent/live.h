// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_AGENT_LIVE_H
#define HOLDFAST_AGENT_LIVE_H

#include <uv.h>

#include "cni-plugin/nft/conntrack.h"
#include "cni-plugin/policy/decide.h"
#include "common/kube/store.h"

/*
 * Reads the node's tracked connections beside everything else: a hundred for each turn of the loop, so that no pod's start waits for
 * the 50,000th.
 */
struct live;

struct live_handler {
	conntrack_visit *visit;
	/* Once, at the end; `problem` NULL: all was read. The reader is gone when this is called. */
	void (*done)(void *context, const struct error *problem);
	void *context;
};

int live_start(uv_loop_t *loop, const struct live_handler *handler, struct live **ret, struct error *err) must_check;
/* Ends it early; `done` is not called. Freed from the loop. Accepts NULL. */
void live_stop(struct live *live);

/* The connection as policies see it: from who opened it to who really answers, behind every translation. */
struct policy_flow live_flow(const struct conntrack_entry *entry);
bool live_is_translated(const struct conntrack_entry *entry);

/* The address is the own node's: it always reaches its pods, whatever the policy. */
bool live_is_own_node(const struct kube_store *store, const char *node, const struct kube_address *address);

/* The name of an IP protocol: "TCP", "ICMP", "proto 47". */
struct live_protocol {
	char text[16];
};
struct live_protocol live_protocol_name(uint8_t protocol);

#endif
