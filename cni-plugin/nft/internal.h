// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_NFT_INTERNAL_H
#define HOLDFAST_NFT_INTERNAL_H

#include "cni-plugin/nft/nft.h"
#include "cni-plugin/nft/socket.h"

/* Of the table in the kernel, when it was read. */
enum nft_table_state {
	NFT_TABLE_RIGHT,   /* it has the flags and the owner that it should have; or there is none */
	NFT_TABLE_ORPHAN,  /* it has lost its owner: writing makes it ours */
	NFT_TABLE_OTHER,   /* it is plain and should be owned, or the other way about: its content counts, but it can only be replaced */
	NFT_TABLE_STRANGE, /* its content does not count */
};

#define RULESET_INTERIM RULESET_TABLE "-interim" /* see interim.c */

struct nft_table {
	enum nft_table_state state;
	bool replace; /* it is not as we make it: the next apply replaces it as a whole */
	bool owned;   /* by us */
	bool interim; /* there is, or may be, an interim table beside it: the next apply deletes it */
};

struct nft {
	struct nft_socket socket;
	bool own; /* our tables should be owned */
	struct nft_table tables[RULESET_FAMILIES];
};

/* ownership.c: the flags that the table should have, and what one with these flags and this owner is. */
uint32_t nft_table_flags(const struct nft *nft);
enum nft_table_state nft_table_judge(const struct nft *nft, uint32_t flags, uint32_t owner);

/*
 * Lets the kernel check a table with these flags, of another name, and forget it again. Afterwards every packet has left the rules that was
 * among them before: what the kernel takes back a packet might have met, so it waits for them all (synchronize_rcu() in
 * __nf_tables_abort()).
 */
int nft_rehearse(struct nft *nft, uint32_t flags, struct error *err) must_check;

/* No such table is no error. */
int nft_drop_table(struct nft *nft, enum ruleset_family family, const char *name, struct error *err) must_check;

uint64_t nft_now_us(void);

uint8_t nft_family(enum ruleset_family family); /* NFPROTO_* */

/* attributes.c: of a message, or what stands for it when it is missing or of another kind. */
const char *nft_text_of(const struct nlmsghdr *message, uint16_t type); /* "" */
uint32_t nft_number_of(const struct nlmsghdr *message, uint16_t type, uint32_t otherwise);
bool nft_has(const struct nlmsghdr *message, uint16_t type);
bool nft_is_ours(const struct nlmsghdr *message, enum ruleset_family family, uint16_t table_attribute);

/* Fills the empty `set` with what the kernel has under its name. -ENOENT, -EAGAIN (see nft_socket_request). */
int nft_read_elements(struct nft *nft, struct ruleset_set *set, struct error *err) must_check;

/*
 * All objects of our table: takes counters into the ruleset. `add`: also those that it does not have. 1: there is an object that is no
 * counter. -EAGAIN as nft_socket_request.
 */
int nft_dump_counters(struct nft *nft, struct ruleset *ruleset, bool add, struct error *err) must_check;

#endif
