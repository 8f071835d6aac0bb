// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_POLICY_NORMAL_H
#define HOLDFAST_POLICY_NORMAL_H

#include "common/kube/objects.h"
#include "cni-plugin/policy/fingerprint.h"
#include "cni-plugin/policy/intervals.h"

/*
 * One rule of a NetworkPolicy in the form in which equal rules look equal: peers sorted and unique, blocks and ports as disjoint
 * intervals. Borrows selectors and names from the rule, which must outlive it.
 */
enum policy_family { POLICY_IPV4, POLICY_IPV6 };

struct normal_protocol {
	uint8_t protocol;
	bool all; /* all its ports; then there are no ranges and no names */
	struct intervals ranges;
	const char **names; /* sorted, unique */
	size_t n_names, names_capacity;
};

#define NORMAL_PROTOCOLS_MAX 3

struct normal_peer {
	const struct kube_peer *peer; /* with selectors */
	char id[FINGERPRINT_SIZE];    /* equal for peers that mean the same pods */
};

struct normal_rule {
	const char *namespace;          /* the policy's */
	bool any_peer;                  /* then there are no peers and no blocks */
	struct normal_peer *peers; /* those with selectors */
	size_t n_peers;
	struct intervals blocks[2];      /* by enum policy_family: the union of every block without its own excepts */
	bool any_port;                   /* of any protocol; then there are no protocols */
	struct normal_protocol protocols[NORMAL_PROTOCOLS_MAX];
	size_t n_protocols;
};

/* `namespace` is the policy's: a peer without a namespace selector means it. `*ret` is empty after an error. -ENOMEM. */
int normal_rule_build(const struct kube_rule *rule, const char *namespace, struct normal_rule *ret, struct error *err) must_check;
void normal_rule_clear(struct normal_rule *rule);

struct buf;
/* "pods app in (web) of shop; all pods of namespaces team in (a); 10.0.0.0-10.0.0.255 | TCP 80, 443; UDP all" */
void normal_rule_print(const struct normal_rule *rule, struct buf *out);
void normal_peer_print(const struct kube_peer *peer, const char *namespace, struct buf *out);

#endif
