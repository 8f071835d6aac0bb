// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_NFT_ELEMENTS_H
#define HOLDFAST_NFT_ELEMENTS_H

#include "common/base/buf.h"
#include "cni-plugin/nft/transaction.h"
#include "cni-plugin/policy/ruleset.h"

/* The elements of sets and maps, between the ruleset's packed arrays and netlink attributes. */

/*
 * One step that adds (or deletes) as many elements of `list`, starting at `from`, as fit one message; returns how many these are. At least
 * 1, even if the transaction has failed, so that a loop over it ends. `list` is a part of set->elements, or deleted ones.
 */
size_t nft_elements_step(struct nft_transaction *tx, bool add, const struct ruleset_set *set, const struct ruleset_elements *list,
			 size_t from);

/* The attributes of a request for one element (of a set without intervals). */
void nft_elements_put_key(struct nlmsghdr *message, const struct ruleset_set *set, const void *element);

/* What a dump of one set collects; take every message, then finish. */
struct nft_elements_reader {
	size_t key_size;
	bool map;
	struct buf records; /* key, kind, offset of the target */
	struct buf targets; /* NUL after each */
};

#define NFT_ELEMENTS_READER(set)                                                 \
	((struct nft_elements_reader){ .key_size = ruleset_key_size((set)->key), \
				       .map = (set)->map,                        \
				       .records = BUF_MAX(256 * 1024 * 1024),    \
				       .targets = BUF_MAX(64 * 1024 * 1024) })

void nft_elements_reader_free(struct nft_elements_reader *reader);

int nft_elements_take(struct nft_elements_reader *reader, const struct nlmsghdr *message, struct error *err) must_check;

/* Puts all of it into `set`, which is empty. -EAGAIN: the dump is not whole; `set` is still empty, and another dump is needed. */
int nft_elements_finish(struct nft_elements_reader *reader, struct ruleset_set *set, struct error *err) must_check;

#endif
