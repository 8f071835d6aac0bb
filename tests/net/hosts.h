// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TESTS_HOSTS_H
#define HOLDFAST_TESTS_HOSTS_H

#include "tests/net/fabric.h"
#include "tests/support/scenario.h"

/*
 * The addresses of random_cluster on a fabric: whoever the pod is, host i's two addresses live at FABRIC_POD(i) while an endpoint has them,
 * and outside otherwise. The node's and the world's addresses are where they belong from the start.
 */
struct hosts;

#define HOSTS 8

/* The fabric has at least HOSTS pods, and outlives them. */
int hosts_new(struct fabric *fabric, struct hosts **ret, struct error *err) must_check;
void hosts_free(struct hosts *hosts);
DEFINE_CLEANUP(struct hosts *, hosts_free);

/* Moves addresses to where the scenario's endpoints are; they answer there when it returns. */
int hosts_follow(struct hosts *hosts, const struct scenario *scenario, struct error *err) must_check;

/* Where the address is. */
int hosts_place(const struct hosts *hosts, const struct kube_address *address);

#endif
