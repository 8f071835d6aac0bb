// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_KUBECTL_NET_ASK_H
#define HOLDFAST_KUBECTL_NET_ASK_H

#include "deploy/kubectl/cluster.h"

/* Asks holdfast-net on one node or on all, and prints what it says. */
struct net_ask {
	const struct kubectl *kubectl;
	const char *const *words; /* behind `holdfast-net`; ends in NULL */
	struct slice input;       /* its standard input; empty: none */
	bool json;                /* what many nodes say becomes one document */
	bool follow;              /* until it is interrupted, each line as it comes */
};

/* The exit code of holdfast-net, or a negative errno. */
int net_ask_one(const struct net_ask *ask, const struct holdfast_pod *pod, struct error *err) must_check;

/*
 * All nodes that have a pod. The worst exit code: 2 if one of them could not be asked, which is printed; the others' answers are, too. As
 * text each begins with a line of the node's name; as JSON: {"nodes":[{"node","exitCode","answer","error"}]}.
 */
int net_ask_every(const struct net_ask *ask, const struct cluster *cluster, struct error *err) must_check;

#endif
