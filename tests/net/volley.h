// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TESTS_VOLLEY_H
#define HOLDFAST_TESTS_VOLLEY_H

#include "tests/net/fabric.h"

/*
 * Many probes at once. A drop has no sign, so waiting for each would cost its whole timeout; but those that should come through do so in
 * microseconds, and after a fence what has not arrived never will.
 */
enum volley_outcome {
	VOLLEY_LOST,      /* nothing arrived */
	VOLLEY_UNANSWERED, /* it arrived, the answer did not: TCP cannot tell this from LOST */
	VOLLEY_THROUGH,   /* there and back; SCTP: there */
};

const char *volley_outcome_name(enum volley_outcome outcome);

struct volley_probe {
	int from, to; /* places of a fabric */
	struct kube_address source, destination;
	uint8_t protocol; /* IPPROTO_TCP: a handshake; IPPROTO_UDP: a datagram and its echo; IPPROTO_SCTP: an INIT, since kernels may lack SCTP */
	uint16_t port;
	bool expected; /* whether it should come through: only says for how long to wait */
	enum volley_outcome outcome;
};

/*
 * Fires all, waits up to `patience_ms` for those that are expected, then fences. Every probe has a fresh source port. Fails only if
 * the probing itself does; outcomes are in the probes.
 */
int volley_fire(struct fabric *fabric, struct volley_probe *probes, size_t n, unsigned patience_ms, struct error *err) must_check;

#endif
