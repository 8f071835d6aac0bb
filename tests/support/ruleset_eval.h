// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TESTS_RULESET_EVAL_H
#define HOLDFAST_TESTS_RULESET_EVAL_H

#include "tests/support/scenario.h"

/*
 * What nf_tables would do with the first packet of a connection, read from the ruleset alone: base chains of the packet's hook by
 * priority, maps, sets, jumps. Aborts on what the kernel would refuse: a chain or set that is not there.
 */
bool ruleset_allows(const struct ruleset *ruleset, const struct scenario_probe *probe);

#endif
