// SPDX-License-Identifier: Apache-2.0
/*
 * What is pending, in an order in which every step finds what it names:
 *
 *	unseen   new counters, new sets with their elements, new chains, their rules, elements of new maps    (no packet comes here yet)
 *	visible  new base chains, new rules of changed chains, elements of old sets and maps
 *	waste    flush doomed chains, delete doomed sets, delete doomed chains, delete doomed counters
 *
 * Flushing first frees the references that doomed objects hold on each other. A base chain that is to be in another place is deleted and
 * made anew, because its hook and priority cannot be changed; the kernel hooks in the new one before it lets go of the old. A chain on an
 * interface may have gone with it, or not (since Linux 6.16): what is to be deleted is there in either case, without the kernel being read.
 */
#include "cni-plugin/nft/apply.h"

#include "cni-plugin/nft/elements.h"
#include "cni-plugin/nft/steps.h"

static int put_elements(struct apply *apply, const struct ruleset_set *set, struct error *err)
{
	int r = 0;

	for (size_t at = 0; at < set->elements.n && r == 0;) {
		at += nft_elements_step(&apply->tx, true, set, &set->elements, at);
		r = apply_check_part(apply, err);
	}
	return r;
}

static int put_new_counters(struct apply *apply, struct error *err)
{
	struct ruleset_counter *counter = NULL;
	int r = 0;

	while (r == 0 && (counter = ruleset_next_pending_counter(apply->ruleset, counter))) {
		if (counter->state != RULESET_NEW)
			continue;
		nft_step_counter_add(&apply->tx, counter);
		r = apply_check_part(apply, err);
	}
	return r;
}

static int put_new_sets(struct apply *apply, struct error *err)
{
	struct ruleset_set *set = NULL;
	int r = 0;

	while (r == 0 && (set = ruleset_next_pending_set(apply->ruleset, set))) {
		if (set->state != RULESET_NEW)
			continue;
		nft_step_set_add(&apply->tx, set, ++apply->set_id);
		r = apply_check_part(apply, err);
		if (r == 0 && !set->map)
			r = put_elements(apply, set, err);
	}
	return r;
}

static bool is_unseen(const struct ruleset_chain *chain)
{
	return chain->state == RULESET_NEW && chain->hook == RULESET_NO_HOOK;
}

bool apply_leads_to_new_rules(const struct ruleset *ruleset)
{
	const struct ruleset_chain *chain = NULL;

	while ((chain = ruleset_next_pending_chain(ruleset, chain)))
		if (is_unseen(chain) && chain->n_rules > 0)
			return true;
	return false;
}

static int put_new_chains(struct apply *apply, struct error *err)
{
	struct ruleset_chain *chain = NULL;
	int r = 0;

	while (r == 0 && (chain = ruleset_next_pending_chain(apply->ruleset, chain))) {
		if (!is_unseen(chain))
			continue;
		nft_step_chain_add(&apply->tx, chain);
		r = apply_check_part(apply, err);
	}
	return r;
}

static int put_new_rules(struct apply *apply, struct error *err)
{
	struct ruleset_chain *chain = NULL;
	int r = 0;

	while (r == 0 && (chain = ruleset_next_pending_chain(apply->ruleset, chain))) {
		for (size_t i = 0; is_unseen(chain) && i < chain->n_rules && r == 0; i++) {
			r = nft_step_rule_add(&apply->tx, chain, i, err);
			if (r == 0)
				r = apply_check_part(apply, err);
		}
	}
	return r;
}

static int put_new_maps(struct apply *apply, struct error *err)
{
	struct ruleset_set *set = NULL;
	int r = 0;

	while (r == 0 && (set = ruleset_next_pending_set(apply->ruleset, set)))
		if (set->state == RULESET_NEW && set->map)
			r = put_elements(apply, set, err);
	return r;
}

/* The kernel has one of its name on another hook, or of another priority, type or policy. */
static bool is_moved(const struct ruleset_chain *chain)
{
	return chain->state == RULESET_CHANGED && (chain->hook != chain->kernel_hook || chain->priority != chain->kernel_priority);
}

static int put_seen_chain(struct apply *apply, const struct ruleset_chain *chain, struct error *err)
{
	int r = 0;

	if (chain->state == RULESET_CHANGED)
		nft_step_chain_flush(&apply->tx, chain);
	if (is_moved(chain))
		nft_step_chain_delete(&apply->tx, chain);
	if (chain->state == RULESET_NEW || is_moved(chain))
		nft_step_chain_add(&apply->tx, chain);
	for (size_t i = 0; i < chain->n_rules && r == 0; i++)
		r = nft_step_rule_add(&apply->tx, chain, i, err);
	return r;
}

static int put_seen_chains(struct apply *apply, struct error *err)
{
	struct ruleset_chain *chain = NULL;
	int r = 0;

	while (r == 0 && (chain = ruleset_next_pending_chain(apply->ruleset, chain)))
		if ((chain->state == RULESET_NEW || chain->state == RULESET_CHANGED) && !is_unseen(chain))
			r = put_seen_chain(apply, chain, err);
	return r;
}

/* Deletions first: a map's element that gets another target is in both lists. */
static void put_difference(struct apply *apply)
{
	struct ruleset_set *set = NULL;

	while ((set = ruleset_next_pending_set(apply->ruleset, set))) {
		if (set->state != RULESET_SAME)
			continue;
		for (size_t at = 0; at < set->removed.n;)
			at += nft_elements_step(&apply->tx, false, set, &set->removed, at);
		for (size_t at = 0; at < set->added.n;)
			at += nft_elements_step(&apply->tx, true, set, &set->added, at);
	}
}

static void put_waste(struct apply *apply)
{
	struct ruleset_counter *counter = NULL;
	struct ruleset_chain *chain = NULL;
	struct ruleset_set *set = NULL;

	while ((chain = ruleset_next_pending_chain(apply->ruleset, chain)))
		if (chain->state == RULESET_DOOMED && chain->hook == RULESET_HOOK_INGRESS)
			nft_step_chain_claim(&apply->tx, chain);
	while ((chain = ruleset_next_pending_chain(apply->ruleset, chain)))
		if (chain->state == RULESET_DOOMED)
			nft_step_chain_flush(&apply->tx, chain);
	while ((set = ruleset_next_pending_set(apply->ruleset, set)))
		if (set->state == RULESET_DOOMED)
			nft_step_set_delete(&apply->tx, set);
	while ((chain = ruleset_next_pending_chain(apply->ruleset, chain)))
		if (chain->state == RULESET_DOOMED)
			nft_step_chain_delete(&apply->tx, chain);
	while ((counter = ruleset_next_pending_counter(apply->ruleset, counter)))
		if (counter->state == RULESET_DOOMED)
			nft_step_counter_delete(&apply->tx, counter);
}

int apply_put_unseen(struct apply *apply, struct error *err)
{
	int r = put_new_counters(apply, err);

	if (r == 0)
		r = put_new_sets(apply, err);
	if (r == 0)
		r = put_new_chains(apply, err);
	if (r == 0)
		r = put_new_rules(apply, err);
	return r < 0 ? r : put_new_maps(apply, err);
}

int apply_put_visible(struct apply *apply, struct error *err)
{
	int r = put_seen_chains(apply, err);

	if (r < 0)
		return r;
	put_difference(apply);
	put_waste(apply);
	return 0;
}
