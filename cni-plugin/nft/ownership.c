// SPDX-License-Identifier: Apache-2.0
/*
 * Since Linux 6.9 a table can belong to a netlink socket (NFT_TABLE_F_OWNER) and outlive it (NFT_TABLE_F_PERSIST). Others then
 * cannot change it, and `nft flush ruleset` passes over it. Measured on 6.18:
 *
 *	                 NEWTABLE both                   socket closes
 *	  (no table) ─────────────────────► owned ─────────────────────────► orphan     anybody may change and flush an orphan;
 *	                                      ▲      NEWTABLE both              │       the next NEWTABLE with both flags owns it
 *	                                      └─────────────────────────────────┘        (not in one transaction with a new base chain)
 *	  plain (of a build or a configuration without ownership): EOPNOTSUPP; it is deleted and made anew, in one transaction
 *
 * OWNER alone is never set: the table would go with our socket, and with it every rule.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include "cni-plugin/nft/internal.h"
#include "cni-plugin/nft/steps.h"

#define NFT_TABLE_F_PERSIST_ 0x4u /* linux/netfilter/nf_tables.h has it since 6.9 */
#define OWNED (NFT_TABLE_F_OWNER | NFT_TABLE_F_PERSIST_)
#define REHEARSAL_BYTES_MAX (64 * 1024)

uint32_t nft_table_flags(const struct nft *nft)
{
	return nft->own ? OWNED : 0;
}

enum nft_table_state nft_table_judge(const struct nft *nft, uint32_t flags, uint32_t owner)
{
	if (flags & NFT_TABLE_F_DORMANT) /* no packet meets our rules */
		return NFT_TABLE_STRANGE;
	if (nft->own && flags == OWNED && owner == nft_port(nft))
		return NFT_TABLE_RIGHT;
	if (nft->own && flags == NFT_TABLE_F_PERSIST_)
		return NFT_TABLE_ORPHAN;
	return flags == nft_table_flags(nft) && !nft->own ? NFT_TABLE_RIGHT : NFT_TABLE_OTHER;
}

/* Of another name, so that what is there has no say; without its end the kernel forgets it again. */
int nft_rehearse(struct nft *nft, uint32_t flags, struct error *err)
{
	_cleanup_(nft_transaction_free) struct nft_transaction tx = {};

	nft_transaction_begin(&tx, NFPROTO_INET, nft->socket.sequence, REHEARSAL_BYTES_MAX);
	tx.table = RULESET_TABLE "-rehearsal";
	tx.rehearsal = true;
	nft_step_table_add(&tx, flags);
	return nft_transaction_run(&tx, &nft->socket, err);
}

int nft_own(struct nft *nft, struct error *err)
{
	int r = nft_rehearse(nft, OWNED, err);

	nft->own = r == 0;
	if (r == -EOPNOTSUPP || r == -EINVAL)
		return 0;
	return r < 0 ? error_wrap(err, "cannot find out whether the kernel has table ownership") : 1;
}

bool nft_is_owned(const struct nft *nft, enum ruleset_family family)
{
	return nft->own && nft->tables[family].owned;
}

bool nft_is_table_pending(const struct nft *nft, enum ruleset_family family)
{
	const struct nft_table *table = &nft->tables[family];

	return table->replace || table->interim || table->state == NFT_TABLE_ORPHAN;
}
