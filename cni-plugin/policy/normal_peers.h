// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_POLICY_NORMAL_PEERS_H
#define HOLDFAST_POLICY_NORMAL_PEERS_H

#include "cni-plugin/policy/normal.h"

/* The peers of `rule` that have selectors, sorted and unique, and their id. Fills peers, n_peers and peers_id of `ret`. -ENOMEM. */
int normal_peers(const struct kube_rule *rule, const char *namespace, struct normal_rule *ret, struct error *err) must_check;

#endif
