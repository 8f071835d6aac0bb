// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_AGENT_ATTACHMENT_H
#define HOLDFAST_AGENT_ATTACHMENT_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>

#include "cni-plugin/agent/link.h"
#include "cni-plugin/policy/engine.h"
#include "cni-plugin/policy/spoof.h"
#include "common/base/cleanup.h"
#include "common/base/error.h"
#include "common/kube/objects.h"

/*
 * A pod's interface on this node. Most come from a CNI ADD and are kept in the journal; an *adopted* one was there before Holdfast was
 * (or its journal was lost) and is known from its pod object only.
 */
struct attachment {
	struct attachment *next;
	char *id;           /* "<container id>/<interface>"; adopted: "pod:<namespace>/<name>" */
	char *container_id; /* adopted: NULL, and so are ifname, netns and network */
	char *ifname;
	char *netns;
	char *network; /* of the configuration that ADD came with; "" if the journal entry is an older agent's */
	char *namespace;
	char *pod;
	char *uid; /* "" if unknown */
	struct kube_address addresses[POLICY_ENDPOINT_ADDRESSES_MAX];
	size_t n_addresses;
	unsigned host_index; /* of the host veth; 0 if it is not known, as of most adopted ones */
	char host_name[IF_NAMESIZE];
	bool bridge_port;
	/* As whom it may send, besides its addresses; unknown (has_mac false) if the journal entry is an older agent's. */
	bool has_mac;
	uint8_t mac[ETHER_ADDR_LEN];
	struct kube_address link_locals[LINK_LOCALS_MAX];
	size_t n_link_locals;
	uint64_t spoof_logged_ms[SPOOF_REASONS]; /* when that it does was last logged; 0: never; not journalled */
	/*
	 * DEL was called, and the interface is still there, so that its pod's kernel may send what it has held back: nothing of it passes.
	 * It has no address that a living attachment has.
	 */
	bool leaving;
	uint64_t left_ms; /* since when, by the loop's clock; not journalled: an agent that starts counts anew */
	bool overdue;     /* that it stays so long was reported; not journalled */
	bool probe;       /* not a pod's: probe.h */
	bool quarantined; /* it was reported so, and is to be reported again when it opens; not journalled */
};

struct attachment_names {
	const char *container_id, *ifname, *netns, *network; /* all NULL: adopted */
	const char *namespace, *pod, *uid;
};

/* NULL: out of memory. */
struct attachment *attachment_new(const struct attachment_names *names) must_check;
void attachment_free(struct attachment *attachment);
DEFINE_CLEANUP(struct attachment *, attachment_free);

static inline bool attachment_is_adopted(const struct attachment *attachment)
{
	return !attachment->container_id;
}

/* It must be known to the agent's next run. */
static inline bool attachment_is_kept(const struct attachment *attachment)
{
	return !attachment_is_adopted(attachment) && !attachment->probe;
}

/* What the kernel says of its interface. */
void attachment_set_host(struct attachment *attachment, const struct link_host *host);

bool attachment_has_address(const struct attachment *attachment, const struct kube_address *addresses, size_t n);

void attachment_drop_addresses(struct attachment *attachment, const struct kube_address *addresses, size_t n);

/* Borrowed: valid as long as the attachment. */
struct policy_endpoint attachment_endpoint(const struct attachment *attachment);

/* At most a few hundred on a node: a list, in the order of arrival, newest last. */
struct attachments {
	struct attachment *first;
	size_t n;
};

#define ATTACHMENTS_MAX 4096

/* Takes ownership. The id must not be in the list yet. */
void attachments_add(struct attachments *list, struct attachment *attachment);
/* Out of the list, and the caller's; NULL if it is not there. */
struct attachment *attachments_take(struct attachments *list, const char *id) must_check;
struct attachment *attachments_find(const struct attachments *list, const char *id);
struct attachment *attachments_find_adopted(const struct attachments *list, const char *namespace, const char *pod);
void attachments_clear(struct attachments *list);

/* `id` of a CNI attachment; NULL: out of memory. */
char *attachment_id(const char *container_id, const char *ifname) must_check;

#endif
