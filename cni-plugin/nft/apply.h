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
	uint32_t set_id;
};

/* A regular chain with rules is new: packets must not be led to it in the transaction in which it is made. */
bool apply_leads_to_new_rules(const struct ruleset *ruleset);

/* The phases, in this order. What is visible is in one transaction; within the unseen phase apply_check_part may send one. */
int apply_put_unseen(struct apply *apply, struct error *err) must_check;
int apply_put_visible(struct apply *apply, struct error *err) must_check;

/* After each unseen step. A full transaction is sent, or, as long as we hope for one only, ends that hope with -EMSGSIZE. */
int apply_check_part(struct apply *apply, struct error *err) must_check;

#endif
