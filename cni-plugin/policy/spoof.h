// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_POLICY_SPOOF_H
#define HOLDFAST_POLICY_SPOOF_H

#include <net/ethernet.h>
#include <stdbool.h>

#include "common/base/error.h"
#include "common/kube/objects.h"
#include "cni-plugin/policy/ruleset.h"

/*
 * `table netdev holdfast`: as whom a pod may send. Pure, as the policy engine is: senders in, ruleset out. What is refused is dropped where
 * it enters the node, before anything else sees it, and counted by reason.
 */

#define SPOOF_ADDRESSES_MAX 16

/* A pod's interface, by its end on the host. */
struct spoof_sender {
	const char *device; /* its name, */
	unsigned index;     /* and its index */
	const char *pod;    /* "shop/web"; a comment */
	uint8_t mac[ETHER_ADDR_LEN];
	struct kube_address addresses[SPOOF_ADDRESSES_MAX]; /* its own, link-local ones included */
	size_t n_addresses;
	bool trusted; /* nothing that it sends is looked at */
};

enum spoof_reason {
	SPOOF_MAC,       /* another sender in the Ethernet header */
	SPOOF_ADDRESS,   /* a source address that is not the pod's */
	SPOOF_ARP,       /* an ARP message that says something else than who the pod is */
	SPOOF_NEIGHBOUR, /* neighbour discovery that does, or hides what it says */
	SPOOF_ROUTER,    /* a router's advertisement or redirect */
	SPOOF_DHCP,      /* a DHCP server's answer, version 4 or 6 */
	SPOOF_PROTOCOL,  /* neither IPv4, IPv6 nor ARP, or IPv6 whose headers cannot be followed */
	SPOOF_REASONS
};

const char *spoof_reason_name(enum spoof_reason reason); /* "mac", "address", … */

/* The fixed part: sets, chains and counters, without any sender. What is dropped is logged so. -ENOMEM, as with all below. */
int spoof_skeleton(struct ruleset *ruleset, const struct ruleset_log *log, struct error *err) must_check;

/* False: the prefix of a logged packet is not one of ours. */
bool spoof_recognize(const char *prefix, enum spoof_reason *ret);

/* Putting it again, trusted or not, changes only what differs. Otherwise a sender must be removed as it was put. */
int spoof_put(struct ruleset *ruleset, const struct spoof_sender *sender, struct error *err) must_check;
int spoof_remove(struct ruleset *ruleset, const struct spoof_sender *sender, struct error *err) must_check;

/* Whether the ruleset, which may be one that the kernel has, lets the device send anything. */
int spoof_trusts(const struct ruleset *ruleset, const char *device, bool *ret, struct error *err) must_check;

/* Of a ruleset that has the fixed part. */
const struct ruleset_counter *spoof_counter(const struct ruleset *ruleset, enum spoof_reason reason);

#endif
