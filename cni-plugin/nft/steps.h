// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_NFT_STEPS_H
#define HOLDFAST_NFT_STEPS_H

#include "cni-plugin/nft/transaction.h"
#include "cni-plugin/policy/ruleset.h"

/*
 * One step of a transaction per function: tables, counters, sets, chains, rules. What must be new is created with NLM_F_EXCL: if it is
 * already there, the kernel is not as we believe, and reading it again is better than adding rules twice.
 */
/* It may be there already, with these flags; 0: with whatever flags. */
void nft_step_table_add(struct nft_transaction *tx, uint32_t flags);
void nft_step_table_delete(struct nft_transaction *tx);

void nft_step_counter_add(struct nft_transaction *tx, const struct ruleset_counter *counter);
void nft_step_counter_delete(struct nft_transaction *tx, const struct ruleset_counter *counter);

/* `id` differs for each set within the transaction. */
void nft_step_set_add(struct nft_transaction *tx, const struct ruleset_set *set, uint32_t id);
void nft_step_set_delete(struct nft_transaction *tx, const struct ruleset_set *set);

void nft_step_chain_add(struct nft_transaction *tx, const struct ruleset_chain *chain);
void nft_step_chain_flush(struct nft_transaction *tx, const struct ruleset_chain *chain);
/* Whether it is there or not, its deletion finds it then. */
void nft_step_chain_claim(struct nft_transaction *tx, const struct ruleset_chain *chain);
void nft_step_chain_delete(struct nft_transaction *tx, const struct ruleset_chain *chain);

/* Appends chain->rules[index]. -EINVAL, -ENOMEM: the rule cannot be built. */
int nft_step_rule_add(struct nft_transaction *tx, const struct ruleset_chain *chain, size_t index, struct error *err) must_check;

/* What a set is in the kernel: how it is made, and how it is recognised. */
struct nft_set_type {
	uint32_t flags, key_type, key_size, data_type; /* NFT_SET_*; nft's number of the type, for `nft list` */
};
struct nft_set_type nft_set_type(enum ruleset_key key, bool interval, bool map);

#endif
