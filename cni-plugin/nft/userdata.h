// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_NFT_USERDATA_H
#define HOLDFAST_NFT_USERDATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * User data of nf_tables objects: type, length (one byte each), value. The types of nft (libnftnl/udata.h) make `nft list` show a comment;
 * ours begin at 0x68 and nft skips them. The kernel keeps at most 256 bytes (NFT_USERDATA_MAXLEN).
 */
#define NFT_USERDATA_MAX 256
#define NFT_FINGERPRINT_SIZE 33 /* as in struct ruleset_chain, with the NUL */

struct nft_userdata {
	uint8_t bytes[NFT_USERDATA_MAX];
	size_t n;
};

/* A comment longer than 127 bytes is cut; an empty one is left out. `type` is NFTNL_UDATA_*_COMMENT. */
void nft_userdata_comment(struct nft_userdata *to, uint8_t type, const char *comment);

/* For nft: a set's keys are in network byte order. */
void nft_userdata_key_order(struct nft_userdata *to);

/*
 * Each rule says which of how many it is, in a chain of which fingerprint. Why not the chain: its user data is fixed at its birth
 * (nf_tables_updchain() ignores NFTA_CHAIN_USERDATA), while its rules change.
 */
struct nft_rule_mark {
	char fingerprint[NFT_FINGERPRINT_SIZE];
	uint32_t index, total;
};

void nft_userdata_rule_mark(struct nft_userdata *to, const struct nft_rule_mark *mark);

/* False if the bytes hold no well-formed mark. */
bool nft_userdata_find_mark(const void *bytes, size_t n, struct nft_rule_mark *ret);

#endif
