// SPDX-License-Identifier: Apache-2.0
/*
 *	BATCH_BEGIN seq s | step seq s+1 | ... | step seq s+n (NLM_F_ACK) | BATCH_END seq s+n+1
 *
 * The kernel answers each refused step and goes on with the next, so that one run tells all that is wrong; the first is the cause, the
 * others often follow from it. Without BATCH_END it takes all back. Only the last step asks for an acknowledgement: with one per step a
 *large transaction overflows the receive queue and looks failed although it was committed. The acknowledgement alone proves nothing: the
 *kernel queues it before it commits, and a failure of the commit itself is told in an answer to the first message. So success is: the
 *acknowledgement came, no refusal did, and no answer was lost.
 */
#include "cni-plugin/nft/transaction.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cni-plugin/policy/ruleset.h"
#include "common/base/array.h"

#define SENTENCE_MAX 700 /* two names of 255 and a few words */
#define HEADER_SIZE (MNL_NLMSG_HDRLEN + MNL_ALIGN(sizeof(struct nfgenmsg)))

void nft_transaction_fail(struct nft_transaction *tx, int code)
{
	if (!tx->failed)
		tx->failed = code;
}

static struct nlmsghdr *put_header(void *at, uint16_t type, uint16_t flags, uint32_t sequence, uint8_t family, uint16_t resource)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(at);
	struct nfgenmsg *extra = mnl_nlmsg_put_extra_header(message, sizeof(*extra));

	message->nlmsg_type = type;
	message->nlmsg_flags = NLM_F_REQUEST | flags;
	message->nlmsg_seq = sequence;
	extra->nfgen_family = family;
	extra->version = NFNETLINK_V0;
	extra->res_id = htons(resource);
	return message;
}

/* BATCH_BEGIN and BATCH_END name the subsystem in res_id (linux/netfilter/nfnetlink.h). */
static void put_frame(struct nft_transaction *tx, uint16_t type, uint32_t sequence)
{
	uint8_t *at = buf_reserve(&tx->bytes, HEADER_SIZE);

	if (at)
		buf_commit(&tx->bytes, put_header(at, type, 0, sequence, AF_UNSPEC, NFNL_SUBSYS_NFTABLES)->nlmsg_len);
	else
		nft_transaction_fail(tx, tx->bytes.failed);
}

void nft_transaction_begin(struct nft_transaction *tx, uint8_t family, uint32_t sequence, size_t bytes_max)
{
	tx->bytes.maximum = tx->sentences.maximum = SIZE_MAX / 4; /* bytes_max is watched in _put, when a step's true size is known */
	buf_clear(&tx->bytes);
	buf_clear(&tx->sentences);
	tx->bytes_max = bytes_max;
	tx->family = family;
	tx->table = RULESET_TABLE;
	tx->sequence = sequence;
	tx->n_steps = 0;
	tx->failed = 0;
	tx->rehearsal = false;
	put_frame(tx, NFNL_MSG_BATCH_BEGIN, sequence);
}

void nft_transaction_free(struct nft_transaction *tx)
{
	buf_free(&tx->bytes);
	buf_free(&tx->sentences);
	free(tx->offsets);
	*tx = (struct nft_transaction){};
}

static __attribute__((format(printf, 2, 0))) void put_sentence(struct nft_transaction *tx, const char *format, va_list arguments)
{
	char *to = (char *)buf_reserve(&tx->sentences, SENTENCE_MAX);

	if (!to || !array_room((void **)&tx->offsets, tx->n_steps, &tx->capacity, sizeof(*tx->offsets))) {
		nft_transaction_fail(tx, ENOMEM);
		return;
	}
	vsnprintf(to, SENTENCE_MAX, format, arguments);
	tx->offsets[tx->n_steps] = (uint32_t)tx->sentences.n;
	buf_commit(&tx->sentences, strlen(to) + 1);
}

struct nlmsghdr *nft_transaction_step(struct nft_transaction *tx, uint16_t type, uint16_t flags, size_t room, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	put_sentence(tx, format, arguments);
	va_end(arguments);
	uint8_t *at = tx->failed ? NULL : buf_reserve(&tx->bytes, HEADER_SIZE + room);
	if (!at) {
		nft_transaction_fail(tx, ENOMEM);
		return NULL;
	}
	uint32_t sequence = tx->sequence + 1 + (uint32_t)tx->n_steps;
	return put_header(at, (NFNL_SUBSYS_NFTABLES << 8) | type, flags, sequence, tx->family, 0);
}

void nft_transaction_put(struct nft_transaction *tx, const struct nlmsghdr *message)
{
	tx->last = tx->bytes.n;
	tx->n_steps++;
	buf_commit(&tx->bytes, MNL_ALIGN(message->nlmsg_len));
	if (tx->bytes.n + HEADER_SIZE > tx->bytes_max)
		nft_transaction_fail(tx, EMSGSIZE);
}

struct outcome {
	bool acknowledged;
	size_t n_refused;
	struct nft_transaction *tx;
};

/* Answers to the frame are about the whole: no permission, no memory, a failed commit. */
static int refuse(const struct outcome *outcome, uint32_t index, const struct nft_answer *answer, struct error *err)
{
	const struct nft_transaction *tx = outcome->tx;

	nft_answer_error(answer, err);
	if (index < tx->n_steps)
		return error_wrap(err, "%s%s", answer->code == EPERM ? "another process owns the table: " : "",
				  (const char *)tx->sentences.p + tx->offsets[index]);
	return error_wrap(err, answer->code == EPERM ? "the whole transaction (it needs CAP_NET_ADMIN)" : "the whole transaction");
}

static int take_answer(struct outcome *outcome, const struct nlmsghdr *message, struct error *err)
{
	const struct nft_transaction *tx = outcome->tx;
	uint32_t from_begin = message->nlmsg_seq - tx->sequence;
	struct nft_answer answer;

	if (message->nlmsg_type != NLMSG_ERROR || from_begin > tx->n_steps + 1)
		return 0;
	if (!nft_answer_parse(message, &answer))
		return error_set(err, EPROTO, "an answer of the kernel is too short");
	if (answer.code == 0) {
		outcome->acknowledged |= from_begin == tx->n_steps;
		return 0;
	}
	return outcome->n_refused++ == 0 ? refuse(outcome, from_begin - 1, &answer, err) : 0;
}

static int take_datagram(struct outcome *outcome, struct slice datagram, struct error *err)
{
	const struct nlmsghdr *message = (const struct nlmsghdr *)datagram.p;
	int left = (int)datagram.n;
	int r = 0;

	for (; r == 0 && nft_message_ok(message, left); message = mnl_nlmsg_next(message, &left))
		r = take_answer(outcome, message, err);
	return r;
}

/* To the end of the queue, so that nothing is left for the next transaction. Keeps the first refusal; else a loss of answers. */
static int take_answers(struct outcome *outcome, struct nft_socket *socket, struct error *err)
{
	struct slice datagram;
	struct error here = {};
	int r, result = 0, lost = 0;

	while ((r = nft_socket_receive(socket, &datagram, &here)) != 0) {
		if (r < 0 && lost < 0) /* the socket itself is broken */
			break;
		if (r < 0) {
			lost = r;
			if (result == 0 && err)
				*err = here;
			continue;
		}
		r = take_datagram(outcome, datagram, &here);
		if (r < 0 && result == 0) {
			result = r;
			if (err)
				*err = here;
		}
	}
	if (result < 0)
		return result;
	return lost < 0 ? error_wrap(err, "what the kernel has is unknown and must be read again") : 0;
}

static int exchange(struct nft_transaction *tx, struct nft_socket *socket, struct error *err)
{
	struct outcome outcome = { .tx = tx };

	int r = nft_socket_reserve(socket, tx->bytes.n, err);
	if (r == 0)
		r = nft_socket_send(socket, buf_view(&tx->bytes), err);
	if (r < 0)
		return r;
	r = take_answers(&outcome, socket, err);
	if (outcome.n_refused > 1 && err) {
		size_t used = strlen(err->message);
		snprintf(err->message + used, sizeof(err->message) - used, " (and %zu more steps)", outcome.n_refused - 1);
	}
	if (r == 0 && !outcome.acknowledged)
		return error_set(err, EIO, "the kernel has not acknowledged the transaction; what it has must be read again");
	return r;
}

int nft_transaction_run(struct nft_transaction *tx, struct nft_socket *socket, struct error *err)
{
	if (!tx->failed && tx->n_steps == 0)
		return 0;
	if (!tx->failed) {
		((struct nlmsghdr *)(tx->bytes.p + tx->last))->nlmsg_flags |= NLM_F_ACK;
		if (!tx->rehearsal)
			put_frame(tx, NFNL_MSG_BATCH_END, tx->sequence + 1 + (uint32_t)tx->n_steps);
	}
	if (tx->failed == ENOMEM)
		return error_nomem(err);
	if (tx->failed == EMSGSIZE)
		return error_set(err, EMSGSIZE, "the transaction is larger than %zu bytes", tx->bytes_max);
	if (tx->failed)
		return error_errno(err, tx->failed, "cannot build the transaction");
	socket->sequence = tx->sequence + 2 + (uint32_t)tx->n_steps;
	return exchange(tx, socket, err);
}
