// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_NFT_NFT_H
#define HOLDFAST_NFT_NFT_H

#include "common/base/cleanup.h"
#include "common/base/error.h"
#include "cni-plugin/policy/ruleset.h"

/*
 * The only writer of nf_tables: rulesets in, transactions out, over netlink (libmnl, libnftnl). Touches `table inet holdfast` and
 * `table netdev holdfast` and nothing else. Works in the network namespace in which it was opened. Blocking, but only for the kernel's own time.
 */
struct nft;

int nft_open(struct nft **ret, struct error *err) must_check;
void nft_close(struct nft *nft);
DEFINE_CLEANUP(struct nft *, nft_close);

/*
 * From now on our tables are to be ours alone: others cannot change them while this lives, and they stay when this ends. 1: the kernel can do that
 * (Linux 6.9). 0: it cannot, and they are ordinary ones. Call before the first nft_read.
 */
int nft_own(struct nft *nft, struct error *err) must_check;
bool nft_is_owned(const struct nft *nft, enum ruleset_family family);

/* The table itself has to be written, though nothing may be pending in the ruleset: nft_apply does it. */
bool nft_is_table_pending(const struct nft *nft, enum ruleset_family family);

/* Of our table; what an interim one costs is in the duration only. */
struct nft_report {
	size_t messages; /* in all transactions of this apply */
	size_t bytes;
	size_t transactions; /* 1, unless something had to go ahead */
	uint64_t duration_us;
};

/*
 * Sends what is pending, atomically as far as traffic can see: NEW chains with rules, and whatever else is new and too much for one
 * transaction, go ahead in transactions of their own, since nothing refers to them yet; everything else is one. If base chains change, another
 * table with all that is wanted judges beside ours meanwhile, which takes 30 ms and more: each packet meets the old rules, the new ones, or both
 * (interim.c). On success calls
 * ruleset_committed. On error the kernel has the old rules (perhaps with unreferenced new objects), the ruleset is unchanged, and the message
 * names the step that the kernel refused:
 * `cannot apply ruleset: rule "shop/db ingress[3]" in chain "...": kernel: No such file or directory`. Then read, rebase, apply again
 * (nft_reconcile). `ret` may be NULL. Nothing pending: nothing is sent, unless the table itself is.
 */
int nft_apply(struct nft *nft, struct ruleset *ruleset, struct nft_report *ret, struct error *err) must_check;

/*
 * What the kernel has: chains with fingerprints, sets and maps with all elements. Empty if there is no table. The caller's.
 * A chain whose rules somebody else touched has fingerprint "". A table that cannot be mended object by object (it is dormant, or has a set
 * of a type that we never make) reads as empty, and the next nft_apply replaces it as a whole, in one transaction.
 * -EAGAIN: others change nf_tables faster than it can be read.
 */
int nft_read(struct nft *nft, enum ruleset_family family, struct ruleset **ret, struct error *err) must_check;

/*
 * What is pending in `ruleset` becomes its difference to what the kernel has. If that cannot be mended object by object (a set of a wanted
 * name has another type, or the table is not owned and should be) or not be read (others write without a pause), the next nft_apply replaces the table as a
 * whole.
 */
int nft_rebase(struct nft *nft, struct ruleset *ruleset, struct error *err) must_check;

/* Read, rebase, apply: whatever the kernel has, afterwards it has `ruleset`. For a start, a refused transaction, a periodic check. */
int nft_reconcile(struct nft *nft, struct ruleset *ruleset, struct nft_report *ret, struct error *err) must_check;

/* Writes what the kernel has counted into the ruleset's counters, with one dump; those that the kernel lacks stay as they are. */
int nft_read_counters(struct nft *nft, struct ruleset *ruleset, struct error *err) must_check;

/* 1 if the set or map has the element (and, for a map, with this target; NULL: any), 0 if not; for CNI CHECK. */
int nft_has_element(struct nft *nft, const struct ruleset_set *set, const void *element, const char *target, struct error *err) must_check;

/* The netlink port by which the kernel knows this writer. */
uint32_t nft_port(const struct nft *nft);

/* Deletes our table of the family; no table is no error. */
int nft_delete_table(struct nft *nft, enum ruleset_family family, struct error *err) must_check;

#endif
