// SPDX-License-Identifier: Apache-2.0
/*
 * What is pending, in an order in which every step finds what it names:
 *
 *	unseen   new counters, new sets with their elements, new chains, their rules, elements of new maps    (no packet comes here yet)
 *	visible  new base chains, new rules of changed chains, elements of old sets and maps
 *	waste    flush doomed chains, delete doomed sets, delete doomed chains, delete doomed counters
 *
 * Flushing first frees the references that doomed objects hold on each other. A base chain that is to be in another place is deleted and
 * made anew, because its hook and priority cannot be changed. A chain on an interface may have gone with it, or not (since Linux 6.16):
 * what is to be deleted is there in either case, without the kernel being read.
 */
#include "cni-plugin/nft/apply.h"

#include "cni-plugin/nft/elements.h"
#include "cni-plugin/nft/steps.h"

/* To the interim table everything is new, not only what is pending. */
static bool is_new(const struct apply *apply, enum ruleset_state state)
{
	return apply->interim ? state != RULESET_DOOMED : state == RULESET_NEW;
}

static struct ruleset_counter *next_counter(const struct apply *apply, const struct ruleset_counter *after)
{
	return apply->interim ? ruleset_next_counter(apply->ruleset, after) : ruleset_next_pending_counter(apply->ruleset, after);
}

static struct ruleset_set *next_set(const struct apply *apply, const struct ruleset_set *after)
{
	return apply->interim ? ruleset_next_set(apply->ruleset, after) : ruleset_next_pending_set(apply->ruleset, after);
}

static struct ruleset_chain *next_chain(const struct apply *apply, const struct ruleset_chain *after)
{
	return apply->interim ? ruleset_next_chain(apply->ruleset, after) : ruleset_next_pending_chain(apply->ruleset, after);
}

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

	while (r == 0 && (counter = next_counter(apply, counter))) {
		if (!is_new(apply, counter->state))
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

	while (r == 0 && (set = next_set(apply, set))) {
		if (!is_new(apply, set->state))
			continue;
		nft_step_set_add(&apply->tx, set, ++apply->set_id);
		r = apply_check_part(apply, err);
		if (r == 0 && !set->map)
			r = put_elements(apply, set, err);
	}
	return r;
}

static bool is_unseen(const struct apply *apply, const struct ruleset_chain *chain)
{
	return is_new(apply, chain->state) && chain->hook == RULESET_NO_HOOK;
}

bool apply_leads_to_new_rules(const struct ruleset *ruleset)
{
	const struct ruleset_chain *chain = NULL;

	while ((chain = ruleset_next_pending_chain(ruleset, chain)))
		if (chain->state == RULESET_NEW && chain->hook == RULESET_NO_HOOK && chain->n_rules > 0)
			return true;
	return false;
}

static int put_new_chains(struct apply *apply, struct error *err)
{
	struct ruleset_chain *chain = NULL;
	int r = 0;

	while (r == 0 && (chain = next_chain(apply, chain))) {
		if (!is_unseen(apply, chain))
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

	while (r == 0 && (chain = next_chain(apply, chain))) {
		for (size_t i = 0; is_unseen(apply, chain) && i < chain->n_rules && r == 0; i++) {
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

	while (r == 0 && (set = next_set(apply, set)))
		if (is_new(apply, set->state) && set->map)
			r = put_elements(apply, set, err);
	return r;
}

bool apply_moves(const struct ruleset_chain *chain)
{
	return chain->state == RULESET_CHANGED && (chain->hook != chain->kernel_hook || chain->priority != chain->kernel_priority);
}

static int put_seen_chain(struct apply *apply, const struct ruleset_chain *chain, struct error *err)
{
	bool is_there = !is_new(apply, chain->state);
	int r = 0;

	if (is_there)
		nft_step_chain_flush(&apply->tx, chain);
	if (is_there && apply_moves(chain))
		nft_step_chain_delete(&apply->tx, chain);
	if (!is_there || apply_moves(chain))
		nft_step_chain_add(&apply->tx, chain);
	for (size_t i = 0; i < chain->n_rules && r == 0; i++)
		r = nft_step_rule_add(&apply->tx, chain, i, err);
	return r;
}

static int put_seen_chains(struct apply *apply, struct error *err)
{
	struct ruleset_chain *chain = NULL;
	int r = 0;

	while (r == 0 && (chain = next_chain(apply, chain)))
		if ((is_new(apply, chain->state) || chain->state == RULESET_CHANGED) && !is_unseen(apply, chain))
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

	if (r < 0 || apply->interim)
		return r;
	put_difference(apply);
	put_waste(apply);
	return 0;
}
