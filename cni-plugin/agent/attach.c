// SPDX-License-Identifier: Apache-2.0
/*
 * The order in which an attachment comes and goes. Coming: model, kernel, journal, and only then is the pod told to start. Going: kernel
 * before journal. If the agent dies in between, what is left over is either rules without an entry, which the next sync removes, or
 * an entry without a pod, which reconcile removes; never a pod without rules.
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
	if (r == 0 && !attachment_is_adopted(taken))
		r = journal_remove(agent->journal, taken, err);
	return r;
}

static bool is_same_pod(const struct attachment *a, const struct attachment *b)
{
	return strcmp(a->pod, b->pod) == 0 && strcmp(a->namespace, b->namespace) == 0;
}

/* What the new attachment takes the place of: an ADD that is repeated, the adopted form of the same pod, a pod that had the address. */
static bool is_superseded(const struct attachment *old, const struct attachment *new)
{
	bool same_address = attachment_has_address(old, new->addresses, new->n_addresses);

	if (attachment_is_adopted(old))
		return same_address || is_same_pod(old, new);
	return strcmp(old->id, new->id) == 0 || (same_address && reconcile_is_gone(old));
}

/* While both live, the newer has the address in the kernel; what else the older has must stay judged. */
static void report_conflict(const struct attachment *old, const struct attachment *new)
{
	if (attachment_has_address(old, new->addresses, new->n_addresses))
		log_warn("two pods have the same address: both are judged as the newer", "namespace", new->namespace, "pod", new->pod,
			 "older_namespace", old->namespace, "older_pod", old->pod, "older_attachment", old->id);
}

static int remove_superseded(struct agent *agent, const struct attachment *new, struct error *err)
{
	struct attachment *next;

	for (struct attachment *at = agent->attachments.first; at; at = next) {
		next = at->next;
		if (!is_superseded(at, new)) {
			report_conflict(at, new);
			continue;
		}
		if (strcmp(at->id, new->id) != 0 && !attachment_is_adopted(at))
			log_warn("a pod has gone without a word: its address has a new owner", "namespace", at->namespace, "pod", at->pod,
				 "attachment", at->id);
		int r = withdraw_and_free(agent, at, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int put(struct agent *agent, struct attachment *attachment, struct error *err)
{
	attachment->quarantined = !enforcer_is_live(agent->enforcer);
	attachments_add(&agent->attachments, attachment);
	int r = enforcer_put(agent->enforcer, attachment, err);
	if (r == 0)
		r = agent_apply(agent, err);
	if (r == 0)
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

int agent_detach(struct agent *agent, struct attachment *attachment, struct error *err)
{
	_cleanup_(attachment_freep) struct attachment *taken = attachment;
	struct error journal_err;

	adopt_departed(agent, taken);
	int r = withdraw(agent, taken, err);
	if (r == 0)
		r = agent_apply(agent, err);
	if (attachment_is_adopted(taken) || journal_remove(agent->journal, taken, &journal_err) == 0)
		return r;
	if (r == 0)
		*err = journal_err;
	return -err->code;
}
