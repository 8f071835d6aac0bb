// SPDX-License-Identifier: Apache-2.0
/*
 * A socket of its own, since notifications come at any time and would mix with answers. The kernel tells every change of every table; those
 * that we make ourselves are thrown away in the kernel, by a filter on the sender's port: a load of 100,000 elements would
 * otherwise fill the queue and look like a loss. (All messages in one datagram are of one transaction, so the first speaks for all.)
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/netfilter/nfnetlink.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "common/base/array.h"
#include "cni-plugin/nft/internal.h"
#include "cni-plugin/nft/watch.h"

struct nft_watch {
	struct nft_socket socket;
	uint32_t own; /* port */
	struct nft_meddling so_far;
};

/* BPF_ABS loads big-endian. Without the filter only the cost is higher. */
static void refuse_own(const struct nft_watch *watch)
{
	struct sock_filter program[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct nlmsghdr, nlmsg_pid)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htonl(watch->own), 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_RET | BPF_K, 0xffffffff),
	};
	const struct sock_fprog filter = { ELEMENTS_OF(program), program };

	setsockopt(nft_watch_fd(watch), SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter));
}

int nft_watch_open(const struct nft *nft, struct nft_watch **ret, struct error *err)
{
	_cleanup_(nft_watch_closep) struct nft_watch *watch = calloc(1, sizeof(*watch));
	int group = NFNLGRP_NFTABLES;

	if (!watch)
		return error_nomem(err);
	watch->own = nft_port(nft);
	int r = nft_socket_open(&watch->socket, err);
	if (r < 0)
		return r;
	refuse_own(watch);
	if (mnl_socket_setsockopt(watch->socket.mnl, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0)
		return error_errno(err, errno, "cannot listen for changes of nf_tables");
	*ret = TAKE_PTR(watch);
	return 0;
}

void nft_watch_close(struct nft_watch *watch)
{
	if (!watch)
		return;
	nft_socket_close(&watch->socket);
	free(watch);
}

int nft_watch_fd(const struct nft_watch *watch)
{
	return mnl_socket_get_fd(watch->socket.mnl);
}

int nft_watch_receive(struct nft_watch *watch, struct nft_meddling *ret, struct error *err)
{
	struct slice datagram;

	*ret = (struct nft_meddling){};
	int r = nft_socket_receive(&watch->socket, &datagram, err);
	if (r < 0)
		watch->so_far = (struct nft_meddling){};
	if (r <= 0 || !nft_watch_feed(datagram, watch->own, &watch->so_far))
		return r;
	*ret = watch->so_far;
	watch->so_far = (struct nft_meddling){};
	return 1;
}
