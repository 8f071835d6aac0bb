// SPDX-License-Identifier: Apache-2.0
/*
 * While base chains take the place of others, a packet that is on its way can be judged by neither, however the transaction is built.
 * The kernel hooks in each new chain when it reads the message, flips the generation when it commits, and then unhooks the old chains
 * one by one (nf_tables_commit()); a packet asks for the generation anew in each base chain (nft_do_chain()) and at each lookup
 * (nft_genmask_cur()). So one that is between two chains meets
 *
 *	before the flip  a new chain without rules yet               after it  an old one that has none any more, or whose map is empty
 *	from before      a list of hooks without the new chain       in it     an old one that accepts all (nf_remove_net_hook())
 *
 * Therefore the wanted rules are first put into a table of their own, and a packet has to pass both:
 *
 *	table holdfast           ── old ─────────────────────────┬─ new ─────────────────────────────
 *	table holdfast-interim            ┌─ new ────────────────┼──────────────────────┐
 *	                                  1        2             3           4          5
 *
 * 1, 3 and 5 are transactions; 2 and 4 last until every packet has left the hooks that was there at 1 or at 3. So at 3 each packet meets
 * all rules of the interim table, and at 5 all of ours. Names, hooks, priorities, types and owners of what there was do not matter.
 * Whoever dies in between leaves one whole table at least: the next nft_read finds the interim table, and the next nft_apply deletes it
 * or makes it anew, since ours is whole then.
 *
 * Measured with two senders of forbidden packets: with 3 alone 877 of 1.8 million passed during 30,000 changes; without 2 and 4, 4 of 3.7
 * million during 60,000. What it cannot reach: a packet that somebody puts aside between two hooks (NFQUEUE, asynchronous IPsec) and
 * gives back after 5, if the new layout judges on an earlier hook than the old one.
 */
#include "cni-plugin/nft/apply.h"

static bool is_base(const struct ruleset_chain *chain)
{
	return chain->hook != RULESET_NO_HOOK || (chain->in_kernel && chain->kernel_hook != RULESET_NO_HOOK);
}

/* On an interface a chain is alone. It comes and goes with its pod; as long as it stays, its new rules take effect in one moment. */
static bool comes_or_goes_under_packets(const struct ruleset_chain *chain)
{
	if (!is_base(chain) || chain->state == RULESET_SAME)
		return false;
	return chain->hook != RULESET_HOOK_INGRESS || apply_moves(chain);
}

static bool has_base_chain(const struct ruleset *ruleset)
{
	const struct ruleset_chain *chain = NULL;

	while ((chain = ruleset_next_chain(ruleset, chain)))
		if (is_base(chain) && chain->in_kernel)
			return true;
	return false;
}

bool apply_needs_interim(const struct apply *apply)
{
	const struct ruleset_chain *chain = NULL;

	if (apply->replace)
		return true;
	while ((chain = ruleset_next_pending_chain(apply->ruleset, chain)))
		if (comes_or_goes_under_packets(chain))
			return has_base_chain(apply->ruleset);
	return false;
}

static int fill(struct apply *apply, struct error *err)
{
	struct nft_table anew = {};
	struct apply interim = { .nft = apply->nft, .ruleset = apply->ruleset, .table = &anew, .ahead = true, .interim = true };
	int r = apply_once(&interim, err);

	nft_transaction_free(&interim.tx);
	return r;
}

static int wait_for_packets(struct apply *apply, struct error *err)
{
	return nft_rehearse(apply->nft, 0, err);
}

int apply_put_interim(struct apply *apply, struct error *err)
{
	enum ruleset_family family = ruleset_family(apply->ruleset);
	int r = apply->table->interim ? nft_drop_table(apply->nft, family, RULESET_INTERIM, err) : 0;

	apply->table->interim = true;
	if (r == 0)
		r = fill(apply, err);
	if (r == 0)
		r = wait_for_packets(apply, err);
	return r < 0 ? error_wrap(err, "table \"" RULESET_INTERIM "\", which guards while ours is changed") : 0;
}

int apply_remove_interim(struct apply *apply, struct error *err)
{
	int r = wait_for_packets(apply, err);

	if (r == 0)
		r = nft_drop_table(apply->nft, ruleset_family(apply->ruleset), RULESET_INTERIM, err);
	if (r < 0)
		return error_wrap(err, "cannot delete table \"" RULESET_INTERIM "\", which has guarded while ours was changed");
	apply->table->interim = false;
	return 0;
}
