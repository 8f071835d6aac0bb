// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TESTS_UNIT_RPC_TTRPC_PAIR_H
#define HOLDFAST_TESTS_UNIT_RPC_TTRPC_PAIR_H

#include "tests/unit/common/cmocka_all.h"

#include "common/rpc/ttrpc_session.h"
#include "tests/support/few_allocations.h"

#define HELD_MAX 8

/* A client's and a server's session, joined by moving bytes from one to the other: no socket, no loop, a clock that we turn. */
struct pair {
	struct ttrpc_session *client, *server;
	uint64_t now_ms;
	size_t piece; /* bytes that travel at once */

	struct ttrpc_call *held[HELD_MAX]; /* by method Hold, in the order in which they came */
	size_t n_held;
	unsigned n_gone, n_handled, n_received;
	bool finish_when_gone;
	char metadata[64];

	unsigned n_answers, n_ends, n_exhausted;
	char answers[256]; /* one after the other */
	size_t answer_n;
	enum rpc_status status;
	char words[1024];
};

extern struct pair pair;
extern const struct ttrpc_services pair_services; /* "t": Echo, Refuse, Nothing, Hold, Large, Count, HoldStream, Chat, Sum, Listen */
extern const struct ttrpc_receiver pair_receiver;
uint64_t pair_now_ms(void *context);

int pair_set_up(void **state);
int pair_tear_down(void **state);
#define PAIR_TEST(name) cmocka_unit_test_setup_teardown(name, pair_set_up, pair_tear_down)

/* True if there was anything to move. */
bool pair_move(struct ttrpc_session *from, struct ttrpc_session *to);
void pair_settle(void);

/* Forgets the answers that have come. */
struct ttrpc_client_call *pair_begin_request(const struct ttrpc_request *request);
struct ttrpc_client_call *pair_begin(const char *method, const char *message);
struct ttrpc_client_call *pair_begin_stream(const char *method, bool open);
struct ttrpc_client_call *pair_begin_held(uint64_t timeout_ms); /* of Hold; 0: none */
/* Until it has ended. */
void pair_call(const char *method, const char *message);
void pair_expect_alive(void);

#endif
