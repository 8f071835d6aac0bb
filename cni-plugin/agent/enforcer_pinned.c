// SPDX-License-Identifier: Apache-2.0
/*
 * Until the first sync nobody knows which rules would be right, so those that the kernel has stay: read, completed by quarantined pods,
 * and repaired from themselves. Of a chain that was found only the fingerprint is known; one that was harmed cannot be mended, and neither
 * can a table of which a part is missing: all of it is made anew then, and every known pod is quarantined.
 */
#include "cni-plugin/agent/enforcer_internal.h"

#include <errno.h>

#include "cni-plugin/policy/layout.h"

int enforcer_quarantine(struct enforcer *enforcer, const struct attachment *attachment, struct error *err)
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
		if (all || at->quarantined || at->leaving)
			r = enforcer_quarantine(enforcer, at, err);
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

int enforcer_pin(struct enforcer *enforcer, struct error *err)
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

int enforcer_read_pinned(struct enforcer *enforcer, struct error *err)
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

int enforcer_unpin(struct enforcer *enforcer, const struct attachment *attachment, struct error *err)
{
	struct policy_endpoint endpoint = attachment_endpoint(attachment);
	int r = enforcer->other_layout ? 0 : policy_quarantine_remove(enforcer->pinned, &endpoint, err);

	for (const struct attachment *at = enforcer->attachments->first; at && r == 0; at = at->next) {
		if (at != attachment && !enforcer->other_layout && attachment_has_address(at, attachment->addresses, attachment->n_addresses))
			r = enforcer_quarantine(enforcer, at, err);
	}
	return r;
}
