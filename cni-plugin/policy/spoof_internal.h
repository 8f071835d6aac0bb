// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_POLICY_SPOOF_INTERNAL_H
#define HOLDFAST_POLICY_SPOOF_INTERNAL_H

#include "cni-plugin/policy/spoof.h"

/* The sets of interface . what it may send as. */
#define SPOOF_MACS "macs"
#define SPOOF_IPV4 "addresses4"
#define SPOOF_IPV6 "addresses6"

/* Rules of one chain follow each other. */
struct spoof_rule {
	const char *chain;
	struct ruleset_match matches[RULESET_MATCHES_MAX];
	size_t n_matches;
	enum ruleset_verdict verdict;
	const char *target;       /* of a goto */
	enum spoof_reason reason; /* of a drop */
};

extern const struct spoof_rule spoof_rules[];
extern const size_t spoof_n_rules;

#define SPOOF_FIRST_CHAIN "sender"

#endif
