// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TESTS_SOAK_POD_H
#define HOLDFAST_TESTS_SOAK_POD_H

#include "tests/soak/node.h"

/* Pod i of a namespace: its object with a label "app", a network namespace and a veth, and what the runtime says of it. */
struct pod {
	char name[16], path[64], full[64], address4[16], addresses[2][144];
	struct node_call call;
};

/* Everything but CNI ADD; the test fails if that does. The pod stays where it is. */
void pod_prepare(struct node *node, const char *namespace, unsigned i, const char *app, struct pod *ret);
void pod_start(struct node *node, const char *namespace, unsigned i, const char *app, struct pod *ret);
void pod_stop(struct node *node, struct pod *pod);

#endif
