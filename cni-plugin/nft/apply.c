// SPDX-License-Identifier: Apache-2.0
/*
 * What is pending, in an order in which every step finds what it names:
 *
 *	unseen   new counters, new sets with their elements, new chains, their rules, elements of new maps    (no packet comes here yet)
 *	visible  new base chains, new rules of changed chains, elements of old sets and maps
 *	waste    flush doomed chains, delete doomed sets, delete doomed chains, delete doomed counters
 *
 * All of it is one transaction if it is small enough. If not, what is unseen goes ahead in transactions of at most PART_STEPS steps
 * (the kernel walks a table's sets by name for each step, so that large ones cost more than many) and of what the send buffer takes;
 * what packets can see change is one transaction always.
 *
 * Flushing first frees the references that doomed objects hold on each other. A base chain that changes is deleted and made anew,
 * because its hook and priority cannot be changed; nothing jumps to it, and the kernel hooks in the new one before it lets go of the old.
 */
#include <errno.h>
#include <string.h>

#include "cni-plugin/nft/elements.h"
#include "cni-plugin/nft/internal.h"
#include "cni-plugin/nft/steps.h"

#define PART_STEPS 1000
#define PART_BYTES (512 * 1024)
#define PART_SLACK (32 * 1024) /* the step that makes a part full is in it */
#define WHOLE_BYTES (64 * 1024 * 1024)

struct apply {
	struct nft *nft;
	struct ruleset *ruleset;
	struct nft_transaction tx;
	struct nft_report report;
	struct nft_table *table;
	bool replace; /* the table as a whole */
	bool in_parts;
	uint32_t set_id;
};

static void begin(struct apply *apply)
{
	uint32_t flags = nft_table_flags(apply->nft);

	nft_transaction_begin(&apply->tx, nft_family(ruleset_family(apply->ruleset)), apply->nft->socket.sequence, WHOLE_BYTES);
	nft_step_table_add(&apply->tx, RULESET_TABLE, apply->replace || apply->table->state == NFT_TABLE_OTHER ? 0 : flags);
	if (apply->replace) {
		nft_step_table_delete(&apply->tx);
		nft_step_table_add(&apply->tx, RULESET_TABLE, flags);
	}
}

static int send_part(struct apply *apply, struct error *err)
{
	int r = nft_transaction_run(&apply->tx, &apply->nft->socket, err);

	if (r < 0)
		return r;
	apply->report.transactions++;
	apply->report.messages += apply->tx.n_steps;
	apply->report.bytes += apply->tx.bytes.n;
	return 0;
}

static size_t part_bytes(const struct apply *apply)
{
	size_t most = apply->nft->socket.send_max;

	if (most > PART_BYTES)
		return PART_BYTES;
	return most > 2 * PART_SLACK ? most - PART_SLACK : most / 2;
}

/* After each unseen step. A full transaction is sent, or, as long as we hope for one only, ends that hope. */
static int check_part(struct apply *apply, struct error *err)
{
	if (apply->replace || (apply->tx.n_steps < PART_STEPS && apply->tx.bytes.n < part_bytes(apply)))
		return 0;
	if (!apply->in_parts) {
		nft_transaction_fail(&apply->tx, EMSGSIZE);
		return -EMSGSIZE;
	}
	int r = send_part(apply, err);
	if (r == 0)
		begin(apply);
	return r;
}

static int put_elements(struct apply *apply, const struct ruleset_set *set, struct error *err)
{
	int r = 0;

	for (size_t at = 0; at < set->elements.n && r == 0;) {
		at += nft_elements_step(&apply->tx, true, set, &set->elements, at);
		r = check_part(apply, err);
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
		r = check_part(apply, err);
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
		r = check_part(apply, err);
		if (r == 0 && !set->map)
			r = put_elements(apply, set, err);
	}
	return r;
}

static bool is_unseen(const struct ruleset_chain *chain)
{
	return chain->state == RULESET_NEW && chain->hook == RULESET_NO_HOOK;
}

static int put_new_chains(struct apply *apply, struct error *err)
{
	struct ruleset_chain *chain = NULL;
	int r = 0;

	while (r == 0 && (chain = ruleset_next_pending_chain(apply->ruleset, chain))) {
		if (!is_unseen(chain))
			continue;
		nft_step_chain_add(&apply->tx, chain);
		r = check_part(apply, err);
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
				r = check_part(apply, err);
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

static int put_seen_chain(struct apply *apply, const struct ruleset_chain *chain, struct error *err)
{
	int r = 0;

	if (chain->state == RULESET_CHANGED)
		nft_step_chain_flush(&apply->tx, chain);
	if (chain->state == RULESET_CHANGED && chain->hook != RULESET_NO_HOOK)
		nft_step_chain_delete(&apply->tx, chain);
	if (chain->hook != RULESET_NO_HOOK)
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

static int put_unseen(struct apply *apply, struct error *err)
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

static int apply_once(struct apply *apply, struct error *err)
{
	begin(apply);
	int r = put_unseen(apply, err);
	if (r == 0 && apply->in_parts && apply->tx.n_steps > 1) {
		r = send_part(apply, err);
		if (r == 0)
			begin(apply);
	}
	if (r == 0)
		r = put_seen_chains(apply, err);
	if (r < 0)
		return r;
	put_difference(apply);
	put_waste(apply);
	if (apply->in_parts && apply->tx.n_steps <= 1)
		return 0;
	return send_part(apply, err);
}

/* A transaction of its own: the kernel takes no base chain (EINVAL) in one that changes the table. */
static int take_orphan(struct apply *apply, struct error *err)
{
	begin(apply);
	int r = send_part(apply, err);
	if (r == 0)
		apply->table->state = NFT_TABLE_RIGHT;
	return r;
}

static int apply_pending(struct apply *apply, struct error *err)
{
	int r = 0;

	if (apply->table->state == NFT_TABLE_ORPHAN && !apply->replace)
		r = take_orphan(apply, err);
	if (r < 0 || (!apply->replace && !ruleset_is_pending(apply->ruleset)))
		return r;
	r = apply_once(apply, err);

	/* Found while it was built or before it was sent; the kernel has seen nothing. */
	if (r != -EMSGSIZE || apply->in_parts || apply->replace)
		return r;
	apply->in_parts = true;
	return apply_once(apply, err);
}

/* A table that is replaced must get all of the ruleset, so all of it must be new: compared with an empty kernel. */
static int check_replace(const struct ruleset *ruleset, struct error *err)
{
	struct ruleset_counter *counter = NULL;
	struct ruleset_chain *chain = NULL;
	struct ruleset_set *set = NULL;
	bool all = true;

	while ((chain = ruleset_next_chain(ruleset, chain)))
		all &= chain->state == RULESET_NEW;
	while ((set = ruleset_next_set(ruleset, set)))
		all &= set->state == RULESET_NEW;
	while ((counter = ruleset_next_counter(ruleset, counter)))
		all &= counter->state == RULESET_NEW;
	return all ? 0 : error_set(err, EINVAL, "the table has to be replaced; rebase the ruleset on what nft_read gave");
}

static void table_is_written(struct apply *apply)
{
	struct nft_table *table = apply->table;

	if (table->replace)
		table->state = NFT_TABLE_RIGHT;
	table->replace = false;
	table->owned = apply->nft->own && table->state == NFT_TABLE_RIGHT;
}

int nft_apply(struct nft *nft, struct ruleset *ruleset, struct nft_report *ret, struct error *err)
{
	struct nft_table *table = &nft->tables[ruleset_family(ruleset)];
	struct apply apply = { .nft = nft, .ruleset = ruleset, .table = table, .replace = table->replace };
	uint64_t start = nft_now_us();
	int r = table->replace ? check_replace(ruleset, err) : 0;

	if (r == 0 && (nft_is_table_pending(nft, ruleset_family(ruleset)) || ruleset_is_pending(ruleset)))
		r = apply_pending(&apply, err);
	nft_transaction_free(&apply.tx);
	if ((r == -EMSGSIZE || r == -EOPNOTSUPP) && table->state == NFT_TABLE_OTHER) /* better a plain table than none; read again */
		nft->own = false;
	if (r < 0)
		return error_wrap(err, "cannot apply ruleset");
	if (apply.report.transactions > 0)
		table_is_written(&apply);
	ruleset_committed(ruleset);
	apply.report.duration_us = nft_now_us() - start;
	if (ret)
		*ret = apply.report;
	return 0;
}
