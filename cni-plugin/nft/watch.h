// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_NFT_WATCH_H
#define HOLDFAST_NFT_WATCH_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/cleanup.h"
#include "common/base/error.h"
#include "common/base/slice.h"
#include "cni-plugin/nft/nft.h"

/* Who else changes our tables, from nf_tables' notifications. What `nft` itself writes is not told, nor changes of other tables. */
struct nft_watch;

/* `nft` may be closed before it. */
int nft_watch_open(const struct nft *nft, struct nft_watch **ret, struct error *err) must_check;
void nft_watch_close(struct nft_watch *watch);
DEFINE_CLEANUP(struct nft_watch *, nft_watch_close);

/* Readable when nft_watch_receive has something to read. */
int nft_watch_fd(const struct nft_watch *watch);

/* One transaction of another process that changed our tables. */
struct nft_meddling {
	uint32_t port; /* of the socket that wrote */
	size_t n_changes;
	char first[320];  /* the first change: "deletion of rule in chain \"forward-egress\" of table inet holdfast" */
	uint32_t process; /* as the first PID namespace numbers it; 0 if the kernel does not say */
	char program[32]; /* its name, 15 characters at most; "" likewise */
};

/*
 * Takes one datagram that waits: 1, or 0 if none does. ret->n_changes tells whether it ended a transaction that meddled. -ENOBUFS:
 * notifications were lost, and what the kernel has must be read; go on receiving.
 */
int nft_watch_receive(struct nft_watch *watch, struct nft_meddling *ret, struct error *err) must_check;

/*
 * The same without a socket. The kernel sends the changes of a transaction first, then one NFT_MSG_NEWGEN that names the process; until it
 * comes, what is known is kept in `so_far` (zeroed at first, and after a loss). Messages of port `own` are passed over. True: `so_far` is
 * complete and is the caller's to read and to zero.
 */
bool nft_watch_feed(struct slice datagram, uint32_t own, struct nft_meddling *so_far);

#endif
