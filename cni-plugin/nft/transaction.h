// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_NFT_TRANSACTION_H
#define HOLDFAST_NFT_TRANSACTION_H

#include "common/base/buf.h"
#include "cni-plugin/nft/socket.h"

/*
 * One nf_tables transaction: all of it happens or nothing. Every step carries a sentence that names its object, so that a refusal reads
 * `rule "shop/db ingress[3]" in chain "policy/shop/db": kernel: No such file or directory`. Errors stick: add steps freely, run once.
 *
 *	_cleanup_(nft_transaction_free) struct nft_transaction tx = {};
 *	nft_transaction_begin(&tx, NFPROTO_INET, socket->sequence, bytes_max);
 *	message = nft_transaction_step(&tx, NFT_MSG_NEWTABLE, NLM_F_CREATE, NFT_STEP_ROOM, "table \"%s\"", tx.table);
 *	if (message)
 *		... attributes ..., then nft_transaction_put(&tx, message);
 *	r = nft_transaction_run(&tx, socket, err);
 */
struct nft_transaction {
	struct buf bytes;     /* BATCH_BEGIN, the steps, BATCH_END */
	struct buf sentences; /* NUL after each */
	uint32_t *offsets;    /* of each step's sentence */
	size_t n_steps, capacity;
	size_t last; /* where the last step starts in `bytes` */
	size_t bytes_max;
	uint8_t family;    /* NFPROTO_* of the table that it changes */
	const char *table; /* its name: RULESET_TABLE, unless set after _begin */
	bool rehearsal;    /* the kernel checks every step, and then forgets all */
	uint32_t sequence; /* of BATCH_BEGIN; step i has sequence + 1 + i */
	int failed;        /* 0 or a positive errno */
};

/*
 * Room for the attributes of one step. Enough for any table, chain, set or rule: a rule has at most 8 matches of up to 600 bytes (a name of
 * 255 included), a verdict and 256 bytes of user data. libnftnl and libmnl write without looking, so this must hold.
 */
#define NFT_STEP_ROOM (8 * 1024)

/* Starts empty; keeps the memory of an earlier use. More than `bytes_max` in all is EMSGSIZE. */
void nft_transaction_begin(struct nft_transaction *tx, uint8_t family, uint32_t sequence, size_t bytes_max);
void nft_transaction_free(struct nft_transaction *tx);

/* A message of the transaction's family with `room` bytes for its attributes, or NULL if the transaction has failed already. Complete it with _put. */
struct nlmsghdr *nft_transaction_step(struct nft_transaction *tx, uint16_t type, uint16_t flags, size_t room, const char *format, ...)
	__attribute__((format(printf, 5, 6)));
void nft_transaction_put(struct nft_transaction *tx, const struct nlmsghdr *message);

/* Makes the transaction fail; for a step that cannot be built. */
void nft_transaction_fail(struct nft_transaction *tx, int code);

/*
 * Sends it and reads every answer. An empty transaction is sent to nobody. Errors: the kernel's, with the sentence of the first refused
 * step; -EMSGSIZE and -ENOMEM: nothing was sent; -ENOBUFS: the answers were lost, and what the kernel has must be read.
 */
int nft_transaction_run(struct nft_transaction *tx, struct nft_socket *socket, struct error *err) must_check;

#endif
