// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_NFT_NFLOG_H
#define HOLDFAST_NFT_NFLOG_H

#include "cni-plugin/nft/nflog_packet.h"
#include "common/base/cleanup.h"
#include "common/base/error.h"

/*
 * The reader of one NFLOG group. Two thousand packets or so may wait for it in the kernel; what does not fit is lost there (and was dropped
 * all the same).
 */
struct nflog;

/* -EBUSY: another program reads the group. -EOPNOTSUPP: this kernel has no NFLOG. */
int nflog_open(uint16_t group, struct nflog **ret, struct error *err) must_check;
void nflog_close(struct nflog *nflog);
DEFINE_CLEANUP(struct nflog *, nflog_close);

int nflog_descriptor(const struct nflog *nflog);

/*
 * Calls `take` for each packet of one datagram, if one waits: 1, else 0. Never waits. -ENOBUFS: some were lost; go on. Other errors: the
 * socket is broken.
 */
int nflog_receive(struct nflog *nflog, void (*take)(void *context, const struct nflog_packet *packet), void *context,
		  struct error *err) must_check;

#endif
