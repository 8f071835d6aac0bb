// SPDX-License-Identifier: Apache-2.0
#include "cni-plugin/agent/senders.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"

static_assert(POLICY_ENDPOINT_ADDRESSES_MAX + LINK_LOCALS_MAX + 1 <= SPOOF_ADDRESSES_MAX,
	      "a sender has room for an attachment's addresses");

struct senders {
	const struct attachments *attachments;
	const struct kube_store *store; /* NULL until live */
	struct ruleset *ruleset;
	bool gone;     /* since the kernel was told: an interface, and on some kernels its chain with it */
	bool doubtful; /* what should have changed in the kernel cannot be seen from the ruleset */
};

/* RFC 4291, appendix A: what an interface gives itself, whatever it had when ADD looked. */
static struct kube_address link_local_of(const uint8_t mac[static ETHER_ADDR_LEN])
{
	return (struct kube_address){
		.family = AF_INET6,
		.bytes = { 0xfe, 0x80, 0, 0, 0, 0, 0, 0, mac[0] ^ 2, mac[1], mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5] },
	};
}

static void add(struct spoof_sender *sender, const struct kube_address *addresses, size_t n)
{
	memcpy(sender->addresses + sender->n_addresses, addresses, n * sizeof(*addresses));
	sender->n_addresses += n;
}

#define POD_NAME_MAX 128 /* it is a comment */

static struct spoof_sender sender_of(const struct attachment *attachment, bool trusted, char pod[static POD_NAME_MAX])
{
	struct spoof_sender sender = {
		.device = attachment->host_name,
		.index = attachment->host_index,
		.pod = pod,
		.trusted = trusted,
	};
	struct kube_address own = link_local_of(attachment->mac);

	snprintf(pod, POD_NAME_MAX, "%s/%s", attachment->namespace, attachment->pod);
	memcpy(sender.mac, attachment->mac, sizeof(sender.mac));
	add(&sender, attachment->addresses, attachment->n_addresses);
	add(&sender, attachment->link_locals, attachment->n_link_locals);
	add(&sender, &own, 1);
	return sender;
}

static bool is_known(const struct attachment *attachment)
{
	return attachment->has_mac && link_host_exists(attachment->host_index, attachment->host_name);
}

/* Some plugins name an interface after its pod: the next one has the chain's name, and is another. */
static bool has_namesake(const struct senders *senders, const struct attachment *attachment)
{
	for (const struct attachment *at = senders->attachments->first; at; at = at->next)
		if (at->has_mac && at->host_index != attachment->host_index && strcmp(at->host_name, attachment->host_name) == 0)
			return true;
	return false;
}

static int put(struct senders *senders, const struct attachment *attachment, bool trusted, struct error *err)
{
	char pod[POD_NAME_MAX];
	struct spoof_sender sender = sender_of(attachment, trusted, pod);

	if (!is_known(attachment))
		return 0;
	senders->doubtful |= senders->gone || has_namesake(senders, attachment);
	return spoof_put(senders->ruleset, &sender, err);
}

/* A namespace whose object is unknown may not. */
static bool may_spoof(const struct senders *senders, const char *namespace)
{
	const struct kube_object *object = senders->store ? kube_store_get(senders->store, KUBE_NAMESPACE, "", namespace) : NULL;

	return object && object->ns.allows_spoofing;
}

/* What the kernel has decides about those that were there. */
static int put_found(struct senders *senders, const struct ruleset *kernel, struct error *err)
{
	int r = 0;

	for (const struct attachment *at = senders->attachments->first; at && r == 0; at = at->next) {
		bool trusted = false;

		r = spoof_trusts(kernel, at->host_name, &trusted, err);
		if (r == 0)
			r = put(senders, at, trusted, err);
	}
	return r;
}

int senders_open(struct nft *nft, const struct attachments *attachments, const struct ruleset_log *log, struct senders **ret,
		 struct error *err)
{
	_cleanup_(senders_closep) struct senders *senders = calloc(1, sizeof(*senders));
	_cleanup_(ruleset_freep) struct ruleset *kernel = NULL;

	if (!senders || !(senders->ruleset = ruleset_new(RULESET_NETDEV)))
		return error_nomem(err);
	senders->attachments = attachments;
	int r = nft_read(nft, RULESET_NETDEV, &kernel, err);
	if (r == 0)
		r = spoof_skeleton(senders->ruleset, log, err);
	if (r == 0)
		r = put_found(senders, kernel, err);
	if (r == 0)
		r = nft_rebase(nft, senders->ruleset, err);
	if (r == 0)
		*ret = TAKE_PTR(senders);
	return r;
}

void senders_close(struct senders *senders)
{
	if (!senders)
		return;
	ruleset_free(senders->ruleset);
	free(senders);
}

int senders_put(struct senders *senders, const struct attachment *attachment, struct error *err)
{
	return put(senders, attachment, may_spoof(senders, attachment->namespace), err);
}

static bool shares_chain(const struct attachment *a, const struct attachment *b)
{
	return a->host_index == b->host_index || strcmp(a->host_name, b->host_name) == 0;
}

/*
 * Two attachments of one interface, as long as a runtime has not told of the end of the first, or of two of one name: what is left is put
 * again.
 */
static int put_others(struct senders *senders, const struct attachment *removed, struct error *err)
{
	int r = 0;

	for (const struct attachment *at = senders->attachments->first; at && r == 0; at = at->next)
		if (at != removed && at->has_mac && shares_chain(at, removed))
			r = senders_put(senders, at, err);
	return r;
}

static int forget(struct senders *senders, const struct attachment *attachment, struct error *err)
{
	char pod[POD_NAME_MAX];
	struct spoof_sender sender = sender_of(attachment, false, pod);
	int r = spoof_remove(senders->ruleset, &sender, err);

	return r < 0 ? r : put_others(senders, attachment, err);
}

int senders_remove(struct senders *senders, const struct attachment *attachment, struct error *err)
{
	if (!attachment->has_mac)
		return 0;
	senders->gone |= !is_known(attachment);
	return forget(senders, attachment, err);
}

static int put_namespace(struct senders *senders, const char *namespace, struct error *err)
{
	int r = 0;

	for (const struct attachment *at = senders->attachments->first; at && r == 0; at = at->next)
		if (!namespace || strcmp(at->namespace, namespace) == 0)
			r = senders_put(senders, at, err);
	return r;
}

static void report_bad(const struct kube_object *namespace)
{
	log_warn("annotation holdfast/allow-spoofing is neither \"true\" nor \"false\": the namespace's pods stay guarded", "namespace",
		 namespace->name, "value", namespace->ns.bad_spoofing);
}

static bool says_the_same(const struct kube_object *before, const struct kube_object *after)
{
	bool was = before && before->ns.allows_spoofing, is = after && after->ns.allows_spoofing;
	const char *had = before && before->ns.bad_spoofing ? before->ns.bad_spoofing : "";
	const char *has = after && after->ns.bad_spoofing ? after->ns.bad_spoofing : "";

	return was == is && strcmp(had, has) == 0;
}

int senders_changed(struct senders *senders, const struct kube_object *before, const struct kube_object *after, struct error *err)
{
	const struct kube_object *any = after ? after : before;

	if (any->kind != KUBE_NAMESPACE || says_the_same(before, after))
		return 0;
	if (after && after->ns.bad_spoofing)
		report_bad(after);
	return put_namespace(senders, any->name, err);
}

static int visit_namespace(void *context, const struct kube_object *namespace)
{
	if (namespace->ns.bad_spoofing)
		report_bad(namespace);
	return 0;
}

int senders_go_live(struct senders *senders, const struct kube_store *store, struct error *err)
{
	senders->store = store;
	(void)!kube_store_each(store, KUBE_NAMESPACE, visit_namespace, NULL);
	return put_namespace(senders, NULL, err);
}

int senders_prune(struct senders *senders, struct error *err)
{
	int r = 0;

	for (const struct attachment *at = senders->attachments->first; at && r == 0; at = at->next)
		if (at->has_mac && !is_known(at))
			r = forget(senders, at, err);
	senders_settled(senders);
	return r;
}

void senders_settled(struct senders *senders)
{
	senders->gone = false;
	senders->doubtful = false;
}

bool senders_are_doubtful(const struct senders *senders)
{
	return senders->doubtful;
}

struct ruleset *senders_ruleset(const struct senders *senders)
{
	return senders->ruleset;
}

enum senders_state senders_state(const struct senders *senders, const struct attachment *attachment)
{
	struct error ignored;
	bool trusted = false;

	if (!is_known(attachment))
		return SENDERS_UNKNOWN;
	return spoof_trusts(senders->ruleset, attachment->host_name, &trusted, &ignored) == 0 && trusted ? SENDERS_TRUSTED
													 : SENDERS_GUARDED;
}
