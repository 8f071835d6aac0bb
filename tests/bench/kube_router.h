// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TESTS_KUBE_ROUTER_H
#define HOLDFAST_TESTS_KUBE_ROUTER_H

#include <sys/types.h>

#include "tests/net/fabric.h"

/* Another policy engine on a fabric's node, with the same pods and policies as guard.h's: kube_router.py. */
struct kube_router {
	pid_t script;    /* 0: none */
	double event_ms; /* from a policy's event to the end of the sync that it caused */
};

/* If not, what is missing and the cure are on stderr. */
bool kube_router_is_here(void);

/* Returns when all rules are in the kernel and it has nothing more to do. */
int kube_router_start(struct fabric *fabric, unsigned n_selecting, unsigned n_others, struct kube_router *ret,
		      struct error *err) must_check;
/* Takes the rules away. */
void kube_router_end(struct kube_router *router);

#endif
