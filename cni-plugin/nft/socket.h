// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_NFT_SOCKET_H
#define HOLDFAST_NFT_SOCKET_H

#include <libmnl/libmnl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/base/error.h"
#include "common/base/slice.h"

/*
 * One NETLINK_NETFILTER socket. nfnetlink works inside sendmsg(2): when it returns, every answer is already in the receive queue, and a
 * dump goes on with each recvmsg(2). So nothing here ever waits; an empty queue is the end of the answers.
 */
struct nft_socket {
	struct mnl_socket *mnl;
	uint32_t sequence; /* the next free one; answers with another number are stale and dropped */
	size_t send_max;   /* bytes that the kernel takes in one message */
	uint8_t *receive;
};

/* As mnl_nlmsg_ok, which compares lengths as int: a message of 2 GiB and more would pass. */
static inline bool nft_message_ok(const struct nlmsghdr *message, int left)
{
	return mnl_nlmsg_ok(message, left) && message->nlmsg_len <= INT_MAX;
}

int nft_socket_open(struct nft_socket *ret, struct error *err) must_check;
void nft_socket_close(struct nft_socket *socket); /* a zeroed or closed one, too */

/* Makes room in the send buffer for one message of `bytes`. -EMSGSIZE: the system does not allow that much; the message says how much. */
int nft_socket_reserve(struct nft_socket *socket, size_t bytes, struct error *err) must_check;

/* -ENOBUFS here means that the kernel had no memory and has seen nothing. */
int nft_socket_send(struct nft_socket *socket, struct slice bytes, struct error *err) must_check;

/*
 * The next datagram that waits (valid until the next call): 1, or 0 if none does. -ENOBUFS: the queue overflowed and answers are lost;
 * what is left in it can still be received.
 */
int nft_socket_receive(struct nft_socket *socket, struct slice *ret, struct error *err) must_check;

/* The start of a request for objects of family inet (or of all nf_tables, AF_UNSPEC); `buffer` has room for its attributes. */
#define NFT_REQUEST_MAX 2048
struct nlmsghdr *nft_request(void *buffer, uint16_t type, uint16_t flags, uint8_t family);

/*
 * Sends a NFT_MSG_GET* request and calls `visit` for each answer. A dump (NLM_F_DUMP) is read to its end whatever happens, since the
 * kernel runs one at a time for a socket. A negative value from `visit` is returned. -EAGAIN: somebody changed nf_tables during the
 * dump (NLM_F_DUMP_INTR): its content is not to be trusted.
 */
typedef int nft_visit(const struct nlmsghdr *message, void *context, struct error *err);
int nft_socket_request(struct nft_socket *socket, struct nlmsghdr *request, nft_visit *visit, void *context, struct error *err) must_check;

/* What the kernel says in a NLMSG_ERROR. */
struct nft_answer {
	int code;         /* positive errno; 0 is an acknowledgement */
	const char *text; /* NETLINK_EXT_ACK's words, or NULL */
	uint32_t offset;  /* of the offending attribute in our message; 0 if the kernel names none */
};

/* False if the message is too short to be one. */
bool nft_answer_parse(const struct nlmsghdr *message, struct nft_answer *ret);

/* "kernel: No such file or directory (its words; attribute at byte 52)" in front of nothing. Returns -code. */
int nft_answer_error(const struct nft_answer *answer, struct error *err);

#endif
