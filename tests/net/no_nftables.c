// SPDX-License-Identifier: Apache-2.0
/*
 * For LD_PRELOAD: one program's kernel has no nf_tables. What it sends to nf_tables goes to the subsystem of passive OS fingerprints instead, which
 * knows none of it, so that the answers are the kernel's own: EOPNOTSUPP to a transaction, EINVAL to a question.
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define EXPORT __attribute__((visibility("default")))

typedef ssize_t send_to(int, const void *, size_t, int, const struct sockaddr *, socklen_t);

static void lead_astray(struct nlmsghdr *message)
{
	struct nfgenmsg *batch = NLMSG_DATA(message);

	if (message->nlmsg_type >> 8 == NFNL_SUBSYS_NFTABLES)
		message->nlmsg_type = (__u16)(NFNL_SUBSYS_OSF << 8 | (message->nlmsg_type & 0xff));
	else if (message->nlmsg_type == NFNL_MSG_BATCH_BEGIN && ntohs(batch->res_id) == NFNL_SUBSYS_NFTABLES)
		batch->res_id = htons(NFNL_SUBSYS_OSF);
}

EXPORT ssize_t sendto(int fd, const void *bytes, size_t n, int flags, const struct sockaddr *to, socklen_t to_size)
{
	send_to *real = (send_to *)dlsym(RTLD_NEXT, "sendto");

	if (!to || to->sa_family != AF_NETLINK)
		return real(fd, bytes, n, flags, to, to_size);
	char *copy = malloc(n);
	if (!copy)
		abort();
	memcpy(copy, bytes, n);
	unsigned left = (unsigned)n;
	for (struct nlmsghdr *at = (struct nlmsghdr *)copy; NLMSG_OK(at, left); at = NLMSG_NEXT(at, left))
		lead_astray(at);
	ssize_t sent = real(fd, copy, n, flags, to, to_size);
	free(copy);
	return sent;
}
