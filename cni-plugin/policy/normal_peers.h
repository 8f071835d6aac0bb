// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_POLICY_NORMAL_PEERS_H
#define HOLDFAST_POLICY_NORMAL_PEERS_H

#include "cni-plugin/policy/normal.h"

/* The peers of `rule` that have selectors, sorted and unique, with their ids. Fills peers and n_peers of `ret`. -ENOMEM. */
int normal_peers(const struct kube_rule *rule, const char *namespace, struct normal_rule *ret, struct error *err) must_check;

#endif
