// SPDX-License-Identifier: Apache-2.0
/*
 * The order in which an attachment comes and goes. Coming: model, kernel, journal, and only then is the pod told to start. Going: kernel
 * before journal. If the agent dies in between, what is left over is either rules without an entry, which the next sync removes, or
 * an entry without a pod, which reconcile removes; never a pod without rules. An interface that has gone sends nothing: its entry goes at
 * once, and its rules at the end of the loop's turn, with those of all others that have gone.
 *
 * DEL comes before the interface goes, and the dead pod's kernel sends on what it holds back, such as a packet that waits for a neighbour's
 * address. Therefore going takes two steps, and an address that is used again goes over to the new pod at any time:
 *
 *	ADD ─► living ── DEL, GC ─► leaving: quarantined ── interface gone ─► gone
 *	          └────────────── interface and namespace gone ────────────────┘
 */
#include <errno.h>

#include "cni-plugin/agent/agent.h"
#include "cni-plugin/agent/journal.h"
#include "cni-plugin/agent/verbs.h"
#include "common/base/log.h"

/* Out of list and model; the kernel and the journal are the caller's to follow. */
static int withdraw(struct agent *agent, const struct attachment *attachment, struct error *err)
{
	struct attachment *taken = attachments_take(&agent->attachments, attachment->id);

	add_forget(agent, attachment->id);
	int r = enforcer_remove(agent->enforcer, taken, err);
	agent_stop_if_lost(agent);
	return r;
}

static int withdraw_and_free(struct agent *agent, struct attachment *attachment, struct error *err)
{
	_cleanup_(attachment_freep) struct attachment *taken = attachment;

	int r = withdraw(agent, taken, err);
	if (r == 0 && attachment_is_kept(taken))
		r = journal_remove(agent->journal, taken, err);
	return r;
}

static bool is_same_pod(const struct attachment *a, const struct attachment *b)
{
	return strcmp(a->pod, b->pod) == 0 && strcmp(a->namespace, b->namespace) == 0;
}

/*
 * What the new attachment takes the place of: an ADD that is repeated, one that was to leave with the same interface, the adopted form of
 * the same pod, a pod that had the address.
 */
static bool is_superseded(const struct attachment *old, const struct attachment *new)
{
	bool same_address = attachment_has_address(old, new->addresses, new->n_addresses);

	if (attachment_is_adopted(old))
		return same_address || is_same_pod(old, new);
	return strcmp(old->id, new->id) == 0 || (old->leaving && old->host_index == new->host_index) ||
	       (same_address && reconcile_is_gone(old));
}

/* While both live, the newer has the address in the kernel; what else the older has must stay judged. */
static void report_conflict(const struct attachment *old, const struct attachment *new)
{
	if (attachment_has_address(old, new->addresses, new->n_addresses))
		log_warn("two pods have the same address: both are judged as the newer", "namespace", new->namespace, "pod", new->pod,
			 "older_namespace", old->namespace, "older_pod", old->pod, "older_attachment", old->id);
}

static void report_gone(const struct attachment *old, const struct attachment *new)
{
	if (strcmp(old->id, new->id) != 0 && !attachment_is_adopted(old) && !old->leaving)
		log_warn("a pod has gone without a word: its address has a new owner", "namespace", old->namespace, "pod", old->pod,
			 "attachment", old->id);
}

/* The address of one that is leaving goes over to one that lives. */
static int hand_over(struct agent *agent, struct attachment *leaving, const struct attachment *living, struct error *err)
{
	if (!attachment_has_address(leaving, living->addresses, living->n_addresses))
		return 0;
	int r = enforcer_remove(agent->enforcer, leaving, err);
	attachment_drop_addresses(leaving, living->addresses, living->n_addresses);
	if (r == 0)
		r = enforcer_put(agent->enforcer, leaving, err);
	return r < 0 ? r : journal_write(agent->journal, leaving, err);
}

static int remove_superseded(struct agent *agent, const struct attachment *new, struct error *err)
{
	struct attachment *next;
	int r = 0;

	for (struct attachment *at = agent->attachments.first; at && r == 0; at = next) {
		next = at->next;
		if (is_superseded(at, new)) {
			report_gone(at, new);
			r = withdraw_and_free(agent, at, err);
		} else if (at->leaving) {
			r = hand_over(agent, at, new, err);
		} else {
			report_conflict(at, new);
		}
	}
	return r;
}

static int put(struct agent *agent, struct attachment *attachment, struct error *err)
{
	attachment->quarantined = !enforcer_is_live(agent->enforcer);
	attachments_add(&agent->attachments, attachment);
	int r = enforcer_put(agent->enforcer, attachment, err);
	if (r == 0)
		r = agent_apply(agent, err);
	if (r == 0 && attachment_is_kept(attachment))
		r = journal_write(agent->journal, attachment, err);
	return r;
}

int agent_attach(struct agent *agent, struct attachment *attachment, struct error *err)
{
	_cleanup_(attachment_freep) struct attachment *owned = attachment;
	struct error ignored;

	if (agent->attachments.n >= ATTACHMENTS_MAX)
		return error_set(err, ENOSPC, "this node has %d pod interfaces already", ATTACHMENTS_MAX);
	int r = remove_superseded(agent, attachment, err);
	if (r < 0)
		return r;
	r = put(agent, TAKE_PTR(owned), err);
	if (r < 0 && !enforcer_is_lost(agent->enforcer))
		(void)!agent_detach(agent, attachment, &ignored);
	return r;
}

/* Kernel and journal were both tried. */
static int conclude(int r, int journal_r, const struct error *journal_err, struct error *err)
{
	if (r < 0 || journal_r == 0)
		return r;
	*err = *journal_err;
	return journal_r;
}

static void begin_to_leave(struct agent *agent, struct attachment *attachment)
{
	adopt_departed(agent, attachment);
	add_forget(agent, attachment->id);
	if (attachment->leaving)
		return;
	attachment->leaving = true;
	attachment->left_ms = uv_now(&agent->loop);
}

/* A pod that was added twice is told of twice, and goes on with what is left. */
static bool has_living_interface(const struct agent *agent, const struct attachment *leaving)
{
	for (const struct attachment *at = agent->attachments.first; at; at = at->next) {
		if (!at->leaving && at->host_index == leaving->host_index)
			return true;
	}
	return false;
}

static int quarantine(struct agent *agent, struct attachment *attachment, struct error *err)
{
	int r = enforcer_put(agent->enforcer, attachment, err);

	for (const struct attachment *at = agent->attachments.first; at && r == 0; at = at->next) {
		if (!at->leaving)
			r = hand_over(agent, attachment, at, err);
	}
	agent_stop_if_lost(agent);
	return r < 0 ? r : agent_apply(agent, err);
}

int agent_leave(struct agent *agent, struct attachment *attachment, struct error *err)
{
	struct error journal_err;

	begin_to_leave(agent, attachment);
	if (reconcile_is_gone(attachment) || has_living_interface(agent, attachment))
		return agent_detach(agent, attachment, err);
	int r = quarantine(agent, attachment, err);
	return conclude(r, journal_write(agent->journal, attachment, &journal_err), &journal_err, err);
}

int agent_detach(struct agent *agent, struct attachment *attachment, struct error *err)
{
	_cleanup_(attachment_freep) struct attachment *taken = attachment;
	struct error journal_err;

	adopt_departed(agent, taken);
	int r = withdraw(agent, taken, err);
	if (r == 0)
		r = agent_apply(agent, err);
	if (!attachment_is_kept(taken))
		return r;
	return conclude(r, journal_remove(agent->journal, taken, &journal_err), &journal_err, err);
}

int agent_forget(struct agent *agent, struct attachment *attachment, struct error *err)
{
	adopt_departed(agent, attachment);
	agent_mark_dirty(agent);
	return withdraw_and_free(agent, attachment, err);
}
