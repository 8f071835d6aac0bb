// SPDX-License-Identifier: Apache-2.0
#include "cni-plugin/agent/enforcer_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cni-plugin/nft/watch.h"
#include "cni-plugin/policy/layout.h"
#include "common/base/array.h"

struct ruleset *enforcer_wanted(const struct enforcer *enforcer)
{
	return enforcer->engine ? policy_engine_ruleset(enforcer->engine) : enforcer->pinned;
}

/* An engine that has refused a change must not be used any more, whatever the reason: what it has taken of it is not the whole. */
static int note(struct enforcer *enforcer, int r)
{
	enforcer->lost |= r == -ENOMEM || (r < 0 && enforcer->engine);
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
		r = enforcer_pin(enforcer, err);
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

	if (!enforcer->engine && enforcer->other_layout && attachment->leaving)
		return 0; /* the rules of another build judge it until then */
	if (!enforcer->engine && enforcer->other_layout)
		return error_set(err, EAGAIN, "the kernel has the rules of another build until the objects have come");
	int r = senders_put(enforcer->senders, attachment, err);
	if (r < 0)
		return note(enforcer, r);
	if (!enforcer->engine)
		return note(enforcer, enforcer_quarantine(enforcer, attachment, err));
	return note(enforcer, policy_engine_endpoint_put(enforcer->engine, &endpoint, err));
}

int enforcer_remove(struct enforcer *enforcer, const struct attachment *attachment, struct error *err)
{
	int r = senders_remove(enforcer->senders, attachment, err);

	if (r < 0)
		return note(enforcer, r);
	if (!enforcer->engine)
		return note(enforcer, enforcer_unpin(enforcer, attachment, err));
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

static int rebase(struct enforcer *enforcer, struct ruleset *ruleset, struct error *err)
{
	enforcer->stats.reads++;
	return nft_rebase(enforcer->nft, ruleset, err);
}

static int read_senders(struct enforcer *enforcer, struct error *err)
{
	int r = senders_prune(enforcer->senders, err);

	return r < 0 ? note(enforcer, r) : rebase(enforcer, senders_ruleset(enforcer->senders), err);
}

static int read_kernel(struct enforcer *enforcer, struct error *err)
{
	int r = read_senders(enforcer, err);

	if (r < 0)
		return r;
	return enforcer->engine ? rebase(enforcer, enforcer_wanted(enforcer), err) : enforcer_read_pinned(enforcer, err);
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
	return is_ruleset_pending(enforcer, senders_ruleset(enforcer->senders)) || is_ruleset_pending(enforcer, enforcer_wanted(enforcer));
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

static int send_senders(struct enforcer *enforcer, struct error *err)
{
	int r = senders_are_doubtful(enforcer->senders) ? read_senders(enforcer, err) : 0;

	if (r == 0)
		r = send_ruleset(enforcer, senders_ruleset(enforcer->senders), err);
	if (r == 0)
		senders_settled(enforcer->senders);
	return r;
}

/* Senders first: a pod that is known to the policies is guarded already. */
static int send_pending(struct enforcer *enforcer, struct error *err)
{
	int r = send_senders(enforcer, err);

	return r < 0 ? r : send_ruleset(enforcer, enforcer_wanted(enforcer), err);
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
	return enforcer_wanted(enforcer);
}

int enforcer_read_counters(struct enforcer *enforcer, struct error *err)
{
	int r = nft_read_counters(enforcer->nft, senders_ruleset(enforcer->senders), err);

	return r < 0 ? r : nft_read_counters(enforcer->nft, enforcer_wanted(enforcer), err);
}

const struct enforcer_stats *enforcer_statistics(const struct enforcer *enforcer)
{
	return &enforcer->stats;
}
