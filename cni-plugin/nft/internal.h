// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_NFT_INTERNAL_H
#define HOLDFAST_NFT_INTERNAL_H

#include "cni-plugin/nft/nft.h"
#include "cni-plugin/nft/socket.h"

struct nft {
	struct nft_socket socket;
	bool replace; /* the table in the kernel is not as we make it: the next apply replaces it as a whole */
};

/*
 * The table's flags. A place for NFT_TABLE_F_OWNER (0x2, kernel 5.12) with NFT_TABLE_F_PERSIST (0x4, kernel 6.9): together they keep other
 * processes' hands off the table. OWNER alone must never be set: the table would go with our socket.
 */
#define NFT_TABLE_FLAGS 0

/* Fills the empty `set` with what the kernel has under its name. -ENOENT, -EAGAIN (see nft_socket_request). */
int nft_read_elements(struct nft *nft, struct ruleset_set *set, struct error *err) must_check;

#endif
