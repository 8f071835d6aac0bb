// SPDX-License-Identifier: Apache-2.0
/*
 * A packet remembers the generation of nf_tables in which it entered the base chain, and takes each chain's rules of that generation, after
 * a goto too. The elements of sets and maps it takes of the generation at the moment of the lookup (nft_do_chain(), nft_genmask_cur()). So
 * one that is on its way while we commit can be led by a new element to a chain; what it finds there is why things go as they do:
 *
 *	a new chain        in its own transaction: no rules yet, and the base chain's policy accepts (tests/net/test_nft_window.c).
 *	                   Therefore new chains with rules, and what these need, go ahead in a transaction of their own.
 *	an unchanged one   the rules that it should meet
 *	a changed one      flushed and filled in one commit, so all the old rules or all the new ones. The old ones with new elements may
 *	                   judge it as between two changes that came together, never as nobody
 *	a base chain       no element leads there. But when the base chains change, a packet can be judged by neither the old ones nor the
 *	                   new ones, whatever the order: then an interim table judges as well (interim.c)
 *	a deleted one      the old rules: they stay until no packet uses them. A deleted element is no longer found: the packet is as free
 *	                   as the next one
 *
 * An unseen phase that is too large for one transaction goes in several of at most PART_STEPS steps (the kernel walks a table's sets by
 * name for each step, so that large ones cost more than many) and of what the send buffer takes. What packets can see change is one
 * transaction always. If it is refused, what went ahead is led to by nothing; the next rebase keeps it or deletes it. A table that is
 * replaced as a whole is one transaction, since what goes ahead would be deleted with the old table; so whoever dies leaves a whole one.
 */
#include <errno.h>

#include "cni-plugin/nft/apply.h"
#include "cni-plugin/nft/steps.h"

#define PART_STEPS 1000
#define PART_BYTES (512 * 1024)
#define PART_SLACK (32 * 1024) /* the step that makes a part full is in it */
#define WHOLE_BYTES (64 * 1024 * 1024)

static void begin(struct apply *apply)
{
	uint32_t flags = nft_table_flags(apply->nft);

	nft_transaction_begin(&apply->tx, nft_family(ruleset_family(apply->ruleset)), apply->nft->socket.sequence, WHOLE_BYTES);
	if (apply->interim)
		apply->tx.table = RULESET_INTERIM;
	nft_step_table_add(&apply->tx, apply->replace || apply->table->state == NFT_TABLE_OTHER ? 0 : flags);
	if (apply->replace) {
		nft_step_table_delete(&apply->tx);
		nft_step_table_add(&apply->tx, flags);
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

int apply_check_part(struct apply *apply, struct error *err)
{
	if (apply->replace || (apply->tx.n_steps < PART_STEPS && apply->tx.bytes.n < part_bytes(apply)))
		return 0;
	if (!apply->ahead) {
		nft_transaction_fail(&apply->tx, EMSGSIZE);
		return -EMSGSIZE;
	}
	int r = send_part(apply, err);
	if (r == 0)
		begin(apply);
	return r;
}

/* It would only say that there is a table. One that failed has steps that are missing. */
static bool is_idle(const struct nft_transaction *tx)
{
	return tx->failed == 0 && tx->n_steps <= 1;
}

int apply_once(struct apply *apply, struct error *err)
{
	begin(apply);
	int r = apply_put_unseen(apply, err);
	if (r == 0 && apply->ahead && !is_idle(&apply->tx)) {
		r = send_part(apply, err);
		if (r == 0)
			begin(apply);
	}
	if (r == 0)
		r = apply_put_visible(apply, err);
	if (r < 0)
		return r;
	return apply->ahead && is_idle(&apply->tx) ? 0 : send_part(apply, err);
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
	apply->ahead = !apply->replace && apply_leads_to_new_rules(apply->ruleset);
	r = apply_once(apply, err);

	/* Found while it was built or before it was sent; the kernel has seen nothing. */
	if (r != -EMSGSIZE || apply->ahead || apply->replace)
		return r;
	apply->ahead = true;
	return apply_once(apply, err);
}

/* The interim table is removed whatever came of the change: what ours has now, old or new, is whole. */
static int apply_guarded(struct apply *apply, struct error *err)
{
	struct error ignored;
	int r = apply_needs_interim(apply) ? apply_put_interim(apply, err) : 0;

	if (r == 0)
		r = apply_pending(apply, err);
	int removed = apply->table->interim ? apply_remove_interim(apply, r < 0 ? &ignored : err) : 0;
	return r < 0 ? r : removed;
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
		r = apply_guarded(&apply, err);
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
