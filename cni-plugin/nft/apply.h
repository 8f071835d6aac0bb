// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_NFT_APPLY_H
#define HOLDFAST_NFT_APPLY_H

#include "cni-plugin/nft/internal.h"
#include "cni-plugin/nft/transaction.h"

/* One nft_apply while it runs: apply.c makes transactions of what apply_phases.c puts into them. */
struct apply {
	struct nft *nft;
	struct ruleset *ruleset;
	struct nft_transaction tx;
	struct nft_report report;
	struct nft_table *table;
	bool replace; /* the table as a whole */
	bool ahead;   /* what is unseen goes in transactions of its own, before what is visible */
	bool interim; /* fills the interim table: whatever ours has, all that is wanted is new there */
	uint32_t set_id;
};

/* A regular chain with rules is new: packets must not be led to it in the transaction in which it is made. */
bool apply_leads_to_new_rules(const struct ruleset *ruleset);

/* The kernel has a chain of its name on another hook, or of another priority, type or policy. */
bool apply_moves(const struct ruleset_chain *chain);

/* What is pending, in one transaction or several. -EMSGSIZE: try it `ahead`. */
int apply_once(struct apply *apply, struct error *err) must_check;

/*
 * interim.c: whether packets could slip through between old base chains and new ones. If so, all that is wanted is put into a table beside
 * ours before that is changed, and removed after it. Both wait for the packets that have not met the rules of the other yet.
 */
bool apply_needs_interim(const struct apply *apply);
int apply_put_interim(struct apply *apply, struct error *err) must_check;
int apply_remove_interim(struct apply *apply, struct error *err) must_check;

/* The phases, in this order. What is visible is in one transaction; within the unseen phase apply_check_part may send one. */
int apply_put_unseen(struct apply *apply, struct error *err) must_check;
int apply_put_visible(struct apply *apply, struct error *err) must_check;

/* After each unseen step. A full transaction is sent, or, as long as we hope for one only, ends that hope with -EMSGSIZE. */
int apply_check_part(struct apply *apply, struct error *err) must_check;

#endif
