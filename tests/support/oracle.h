// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TESTS_ORACLE_H
#define HOLDFAST_TESTS_ORACLE_H

#include "tests/support/scenario.h"

/*
 * The second opinion: NetworkPolicy judged on the objects alone, straight from the documentation, as slowly and plainly as possible.
 * Shares no code with cni-plugin/policy, not even the matching of selectors.
 *
 * only_local: judge only the ends that are endpoints of this node, as this node's kernel does; else every pod.
 */
bool oracle_allows(const struct scenario *scenario, const struct scenario_probe *probe, bool only_local);

#endif
