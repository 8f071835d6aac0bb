// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_NFT_INTERNAL_H
#define HOLDFAST_NFT_INTERNAL_H

#include "cni-plugin/nft/nft.h"
#include "cni-plugin/nft/socket.h"

struct nft {
	struct nft_socket socket;
	bool replace[RULESET_FAMILIES]; /* the table in the kernel is not as we make it: the next apply replaces it as a whole */
};

/*
 * The table's flags. A place for NFT_TABLE_F_OWNER (0x2, kernel 5.12) with NFT_TABLE_F_PERSIST (0x4, kernel 6.9): together they keep other
 * processes' hands off the table. OWNER alone must never be set: the table would go with our socket.
 */
#define NFT_TABLE_FLAGS 0

uint64_t nft_now_us(void);

uint8_t nft_family(enum ruleset_family family); /* NFPROTO_* */

/* attributes.c: of a message, or what stands for it when it is missing or of another kind. */
const char *nft_text_of(const struct nlmsghdr *message, uint16_t type); /* "" */
uint32_t nft_number_of(const struct nlmsghdr *message, uint16_t type, uint32_t otherwise);
bool nft_is_ours(const struct nlmsghdr *message, enum ruleset_family family, uint16_t table_attribute);

/* Fills the empty `set` with what the kernel has under its name. -ENOENT, -EAGAIN (see nft_socket_request). */
int nft_read_elements(struct nft *nft, struct ruleset_set *set, struct error *err) must_check;

/*
 * All objects of our table: takes counters into the ruleset. `add`: also those that it does not have. 1: there is an object that is no
 * counter. -EAGAIN as nft_socket_request.
 */
int nft_dump_counters(struct nft *nft, struct ruleset *ruleset, bool add, struct error *err) must_check;

#endif
