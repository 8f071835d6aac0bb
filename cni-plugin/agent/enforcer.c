// SPDX-License-Identifier: Apache-2.0
#include "cni-plugin/agent/enforcer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cni-plugin/agent/senders.h"
#include "cni-plugin/nft/nft.h"
#include "cni-plugin/nft/watch.h"
#include "cni-plugin/policy/layout.h"
#include "common/base/array.h"

struct enforcer {
	struct nft *nft;
	struct senders *senders; /* as whom they may send; beside the policies in both phases */
	const struct attachments *attachments;
	struct policy_engine *engine; /* NULL while pinned */
	struct ruleset *pinned;       /* NULL when live */
	struct ruleset_log drop_log;
	bool found_nothing;
	bool other_layout; /* while pinned: the kernel has the whole table of another build, to which nothing can be added */
	bool doubtful; /* the kernel may have other rules than the model believes: read before writing */
	bool lost;
	struct enforcer_stats stats;
};

static struct ruleset *wanted(const struct enforcer *enforcer)
{
	return enforcer->engine ? policy_engine_ruleset(enforcer->engine) : enforcer->pinned;
}

/* An engine that has refused a change must not be used any more, whatever the reason: what it has taken of it is not the whole. */
static int note(struct enforcer *enforcer, int r)
{
	enforcer->lost |= r == -ENOMEM || (r < 0 && enforcer->engine);
	return r;
}

static int quarantine(struct enforcer *enforcer, const struct attachment *attachment, struct error *err)
{
	struct policy_endpoint endpoint = attachment_endpoint(attachment);

	return policy_quarantine_put(enforcer->pinned, &endpoint, err);
}

static int begin_anew(struct enforcer *enforcer, struct ruleset **ret, struct error *err)
{
	_cleanup_(ruleset_freep) struct ruleset *ruleset = ruleset_new(RULESET_INET);
	int r = ruleset ? policy_skeleton(ruleset, &enforcer->drop_log, err) : error_nomem(err);

	if (r == 0)
		r = policy_layout_seal(ruleset, err);
	if (r == 0)
		r = nft_rebase(enforcer->nft, ruleset, err);
	if (r == 0)
		*ret = TAKE_PTR(ruleset);
	return r;
}

static int quarantine_known(struct enforcer *enforcer, bool all, struct error *err)
{
	int r = 0;

	for (const struct attachment *at = enforcer->attachments->first; at && r == 0; at = at->next) {
		if (all || at->quarantined)
			r = quarantine(enforcer, at, err);
	}
	return r;
}

static int pin_anew(struct enforcer *enforcer, struct error *err)
{
	_cleanup_(ruleset_freep) struct ruleset *anew = NULL;
	int r = begin_anew(enforcer, &anew, err);

	if (r < 0)
		return r;
	enforcer->found_nothing = true;
	enforcer->other_layout = false;
	ruleset_free(enforcer->pinned);
	enforcer->pinned = TAKE_PTR(anew);
	return quarantine_known(enforcer, true, err);
}

/* What the kernel has becomes what is wanted; without our rules there, or with a part of them only, every pod that is known is quarantined.
 */
static int pin(struct enforcer *enforcer, struct error *err)
{
	_cleanup_(ruleset_freep) struct ruleset *kernel = NULL;
	enum policy_layout layout;

	int r = nft_read(enforcer->nft, RULESET_INET, &kernel, err);
	if (r == 0)
		r = policy_layout_check(kernel, &layout, err);
	if (r < 0)
		return r;
	if (layout == POLICY_LAYOUT_BROKEN || (layout == POLICY_LAYOUT_UNSEALED && !policy_has_skeleton(kernel)))
		return pin_anew(enforcer, err);
	enforcer->other_layout = !policy_has_skeleton(kernel);
	ruleset_committed(kernel); /* all of it is there: from here on only what we add is pending */
	enforcer->pinned = TAKE_PTR(kernel);
	return enforcer->other_layout ? 0 : quarantine_known(enforcer, false, err);
}

/* Of chains that were found only the fingerprints are known. */
static bool lacks_unknown_rules(const struct ruleset *pinned)
{
	const struct ruleset_chain *chain = NULL;

	while ((chain = ruleset_next_pending_chain(pinned, chain)))
		if (chain->state == RULESET_NEW || chain->state == RULESET_CHANGED)
			return true;
	return false;
}

/* Elements that somebody else changed are put right; a chain cannot be, and then every pod is quarantined. */
static int read_pinned(struct enforcer *enforcer, struct error *err)
{
	_cleanup_(ruleset_freep) struct ruleset *kernel = NULL;

	if (enforcer->found_nothing)
		return nft_rebase(enforcer->nft, enforcer->pinned, err);
	int r = nft_read(enforcer->nft, RULESET_INET, &kernel, err);
	if (r == 0)
		r = ruleset_rebase(enforcer->pinned, kernel, err);
	if (r == -EEXIST || (r == 0 && lacks_unknown_rules(enforcer->pinned)))
		return pin_anew(enforcer, err);
	return r;
}

int enforcer_open(const struct attachments *attachments, const struct ruleset_log *drop_log, bool own, struct enforcer **ret,
		  struct error *err)
{
	_cleanup_(enforcer_closep) struct enforcer *enforcer = calloc(1, sizeof(*enforcer));

	if (!enforcer)
		return error_nomem(err);
	enforcer->attachments = attachments;
	enforcer->drop_log = *drop_log;
	int r = nft_open(&enforcer->nft, err);
	if (r == 0 && own)
		r = nft_own(enforcer->nft, err);
	if (r >= 0)
		r = senders_open(enforcer->nft, attachments, &enforcer->drop_log, &enforcer->senders, err);
	if (r == 0)
		r = pin(enforcer, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(enforcer);
	return 0;
}

void enforcer_close(struct enforcer *enforcer)
{
	if (!enforcer)
		return;
	policy_engine_free(enforcer->engine);
	ruleset_free(enforcer->pinned);
	senders_close(enforcer->senders);
	nft_close(enforcer->nft);
	free(enforcer);
}

bool enforcer_found_nothing(const struct enforcer *enforcer)
{
	return enforcer->found_nothing;
}

int enforcer_put(struct enforcer *enforcer, const struct attachment *attachment, struct error *err)
{
	struct policy_endpoint endpoint = attachment_endpoint(attachment);

	if (!enforcer->engine && enforcer->other_layout)
		return error_set(err, EAGAIN, "the kernel has the rules of another build until the objects have come");
	int r = senders_put(enforcer->senders, attachment, err);
	if (r < 0)
		return note(enforcer, r);
	if (!enforcer->engine)
		return note(enforcer, policy_quarantine_put(enforcer->pinned, &endpoint, err));
	return note(enforcer, policy_engine_endpoint_put(enforcer->engine, &endpoint, err));
}

/* An address that another pod has too stays quarantined. */
static int unpin(struct enforcer *enforcer, const struct attachment *attachment, struct error *err)
{
	struct policy_endpoint endpoint = attachment_endpoint(attachment);
	int r = enforcer->other_layout ? 0 : policy_quarantine_remove(enforcer->pinned, &endpoint, err);

	for (const struct attachment *at = enforcer->attachments->first; at && r == 0; at = at->next) {
		if (at != attachment && !enforcer->other_layout && attachment_has_address(at, attachment->addresses, attachment->n_addresses))
			r = quarantine(enforcer, at, err);
	}
	return r;
}

int enforcer_remove(struct enforcer *enforcer, const struct attachment *attachment, struct error *err)
{
	int r = senders_remove(enforcer->senders, attachment, err);

	if (r < 0)
		return note(enforcer, r);
	if (!enforcer->engine)
		return note(enforcer, unpin(enforcer, attachment, err));
	return note(enforcer, policy_engine_endpoint_remove(enforcer->engine, attachment->id, err));
}

int enforcer_changed(struct enforcer *enforcer, const struct kube_object *before, const struct kube_object *after, struct error *err)
{
	int r = senders_changed(enforcer->senders, before, after, err);

	return note(enforcer, r < 0 ? r : policy_engine_changed(enforcer->engine, before, after, err));
}

struct feeding {
	struct policy_engine *engine;
	struct error *err;
};

static int feed(void *context, const struct kube_object *object)
{
	struct feeding *feeding = context;

	return policy_engine_changed(feeding->engine, NULL, object, feeding->err);
}

static int feed_all(struct policy_engine *engine, const struct kube_store *store, const struct attachments *attachments, struct error *err)
{
	static const enum kube_kind order[] = { KUBE_NAMESPACE, KUBE_NODE, KUBE_NETWORK_POLICY, KUBE_POD };
	struct feeding feeding = { engine, err };
	int r = 0;

	for (size_t i = 0; i < ELEMENTS_OF(order) && r == 0; i++)
		r = kube_store_each(store, order[i], feed, &feeding);
	for (const struct attachment *at = attachments->first; at && r == 0; at = at->next) {
		struct policy_endpoint endpoint = attachment_endpoint(at);
		r = policy_engine_endpoint_put(engine, &endpoint, err);
	}
	return r < 0 ? r : policy_layout_seal(policy_engine_ruleset(engine), err);
}

int enforcer_go_live(struct enforcer *enforcer, const struct kube_store *store, const char *node, struct error *err)
{
	_cleanup_(policy_engine_freep) struct policy_engine *engine = policy_engine_new();

	if (engine)
		policy_engine_set_node(engine, node);
	int r = engine ? policy_engine_set_drop_log(engine, &enforcer->drop_log, err) : error_nomem(err);
	if (r == 0)
		r = feed_all(engine, store, enforcer->attachments, err);
	if (r == 0)
		r = senders_go_live(enforcer->senders, store, err);
	enforcer->lost |= r < 0; /* the source tells once that all has come */
	if (r < 0)
		return r;
	enforcer->engine = TAKE_PTR(engine);
	ruleset_free(TAKE_PTR(enforcer->pinned));
	enforcer->doubtful = true;
	return 0;
}

bool enforcer_is_live(const struct enforcer *enforcer)
{
	return enforcer->engine && !enforcer->lost;
}

static int read_senders(struct enforcer *enforcer, struct error *err)
{
	int r = senders_prune(enforcer->senders, err);

	return r < 0 ? note(enforcer, r) : nft_rebase(enforcer->nft, senders_ruleset(enforcer->senders), err);
}

static int read_kernel(struct enforcer *enforcer, struct error *err)
{
	int r = read_senders(enforcer, err);

	if (r < 0)
		return r;
	return enforcer->engine ? nft_rebase(enforcer->nft, wanted(enforcer), err) : read_pinned(enforcer, err);
}

const double enforcer_times[ENFORCER_TIMES] = { 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2 };

static void note_time(struct enforcer_stats *stats, uint64_t us)
{
	size_t i = 0;

	while (i < ENFORCER_TIMES && (double)us > enforcer_times[i] * 1e6)
		i++;
	stats->times[i]++;
	stats->duration_us += us;
	stats->last_us = us;
}

static bool is_ruleset_pending(const struct enforcer *enforcer, const struct ruleset *ruleset)
{
	return ruleset_is_pending(ruleset) || nft_is_table_pending(enforcer->nft, ruleset_family(ruleset));
}

static bool is_pending(const struct enforcer *enforcer)
{
	return is_ruleset_pending(enforcer, senders_ruleset(enforcer->senders)) || is_ruleset_pending(enforcer, wanted(enforcer));
}

static int send_ruleset(struct enforcer *enforcer, struct ruleset *ruleset, struct error *err)
{
	struct enforcer_stats *stats = &enforcer->stats;
	struct nft_report report = { 0 };

	if (!is_ruleset_pending(enforcer, ruleset))
		return 0;
	int r = nft_apply(enforcer->nft, ruleset, &report, err);
	if (r < 0) {
		stats->failed++;
		return r;
	}
	stats->transactions += report.transactions;
	note_time(stats, report.duration_us);
	stats->last_messages = report.messages;
	stats->last_bytes = report.bytes;
	stats->last_time = time(NULL);
	return 0;
}

/* Senders first: a pod that is known to the policies is guarded already. */
static int send_pending(struct enforcer *enforcer, struct error *err)
{
	int r = senders_are_doubtful(enforcer->senders) ? read_senders(enforcer, err) : 0;

	if (r == 0)
		r = send_ruleset(enforcer, senders_ruleset(enforcer->senders), err);
	return r < 0 ? r : send_ruleset(enforcer, wanted(enforcer), err);
}

static int read_and_send(struct enforcer *enforcer, struct error *err)
{
	int r = read_kernel(enforcer, err);

	return r < 0 ? r : send_pending(enforcer, err);
}

static int conclude(struct enforcer *enforcer, int r, const struct error *err)
{
	enforcer->doubtful = r < 0;
	enforcer->stats.in_force = r == 0;
	memcpy(enforcer->stats.last_error, r < 0 ? err->message : "", r < 0 ? sizeof(err->message) : 1);
	return r;
}

int enforcer_apply(struct enforcer *enforcer, struct error *err)
{
	int r = enforcer->doubtful ? read_and_send(enforcer, err) : send_pending(enforcer, err);

	if (r < 0 && !enforcer->doubtful)
		r = read_and_send(enforcer, err);
	return conclude(enforcer, r, err);
}

int enforcer_audit(struct enforcer *enforcer, struct error *err)
{
	int r = enforcer_apply(enforcer, err);

	if (r == 0)
		r = read_kernel(enforcer, err);
	if (r < 0)
		return conclude(enforcer, r, err);
	bool changed = is_pending(enforcer);
	enforcer->stats.repaired += changed;
	r = conclude(enforcer, send_pending(enforcer, err), err);
	return r < 0 ? r : changed;
}

int enforcer_watch(const struct enforcer *enforcer, struct nft_watch **ret, struct error *err)
{
	return nft_watch_open(enforcer->nft, ret, err);
}

static int check_element(struct enforcer *enforcer, const char *map, const struct kube_address *address, struct error *err)
{
	const struct ruleset_set *set = ruleset_set_find(wanted(enforcer), map);
	char text[INET6_ADDRSTRLEN];

	ptrdiff_t i = set ? ruleset_element_find(set, address->bytes) : -1;
	if (i < 0)
		return 0;
	int r = nft_has_element(enforcer->nft, set, address->bytes, set->targets[i], err);
	if (r != 0)
		return r < 0 ? r : 0;
	kube_address_format(address, text);
	return error_set(err, ESTALE, "the kernel lacks %s in map %s of table inet " RULESET_TABLE ": somebody else has changed it", text,
			 map);
}

static int check_chains(struct enforcer *enforcer, const struct ruleset *ruleset, struct error *err)
{
	_cleanup_(ruleset_freep) struct ruleset *kernel = NULL;
	enum ruleset_family family = ruleset_family(ruleset);
	const struct ruleset_chain *chain = NULL;

	int r = nft_read(enforcer->nft, family, &kernel, err);
	if (r < 0)
		return r;
	while ((chain = ruleset_next_chain(ruleset, chain))) {
		const struct ruleset_chain *found = ruleset_chain_find(kernel, chain->name);
		if (chain->state == RULESET_DOOMED)
			continue;
		if (!found || strcmp(found->fingerprint, chain->fingerprint) != 0)
			return error_set(err, ESTALE, "the kernel lacks chain %s of table %s " RULESET_TABLE ": somebody else has changed it",
					 chain->name, ruleset_family_name(family));
	}
	return 0;
}

int enforcer_check(struct enforcer *enforcer, const struct attachment *attachment, struct error *err)
{
	int r = enforcer_apply(enforcer, err);

	if (r == 0)
		r = check_chains(enforcer, senders_ruleset(enforcer->senders), err);
	if (r == 0)
		r = check_chains(enforcer, wanted(enforcer), err);
	for (size_t i = 0; i < attachment->n_addresses && r == 0; i++) {
		const struct kube_address *address = &attachment->addresses[i];
		bool v4 = address->family == AF_INET;
		r = check_element(enforcer, v4 ? POLICY_EGRESS_MAP4 : POLICY_EGRESS_MAP6, address, err);
		if (r == 0)
			r = check_element(enforcer, v4 ? POLICY_INGRESS_MAP4 : POLICY_INGRESS_MAP6, address, err);
	}
	return r;
}

bool enforcer_is_ready(const struct enforcer *enforcer, const struct attachment *attachment)
{
	return enforcer->engine && !enforcer->lost && enforcer->stats.in_force &&
	       policy_engine_endpoint_state(enforcer->engine, attachment->id) == POLICY_ENDPOINT_READY;
}

bool enforcer_owns_table(const struct enforcer *enforcer)
{
	return nft_is_owned(enforcer->nft, RULESET_INET);
}

bool enforcer_is_lost(const struct enforcer *enforcer)
{
	return enforcer->lost;
}

const struct policy_engine *enforcer_engine(const struct enforcer *enforcer)
{
	return enforcer_is_live(enforcer) ? enforcer->engine : NULL;
}

const struct senders *enforcer_senders(const struct enforcer *enforcer)
{
	return enforcer->senders;
}


const struct ruleset *enforcer_ruleset(const struct enforcer *enforcer)
{
	return wanted(enforcer);
}

int enforcer_read_counters(struct enforcer *enforcer, struct error *err)
{
	int r = nft_read_counters(enforcer->nft, senders_ruleset(enforcer->senders), err);

	return r < 0 ? r : nft_read_counters(enforcer->nft, wanted(enforcer), err);
}

const struct enforcer_stats *enforcer_statistics(const struct enforcer *enforcer)
{
	return &enforcer->stats;
}
