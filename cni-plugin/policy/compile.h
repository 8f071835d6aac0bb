// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_POLICY_COMPILE_H
#define HOLDFAST_POLICY_COMPILE_H

#include "cni-plugin/policy/normal.h"
#include "cni-plugin/policy/ruleset.h"

/*
 * One normalised rule as nf_tables rules. nf_tables has no "or" inside a rule, so a rule becomes (address sets) × (port conditions).
 * The sets are named by the caller, who made them.
 */
#define COMPILE_FAMILIES 2

struct compile_protocol {
	const char *ports;                       /* interval set, if there are several ranges */
	const char *(*served)[COMPILE_FAMILIES]; /* for each named port, the set of each family */
};

struct compile_input {
	const struct normal_rule *rule;
	bool ingress;                        /* peers are then the source */
	const char *(*peers)[COMPILE_FAMILIES]; /* for each peer with selectors, the set of each family */
	const char *blocks[COMPILE_FAMILIES];   /* NULL: none */
	struct compile_protocol protocols[NORMAL_PROTOCOLS_MAX];
	bool by_connection;
	const char *counter; /* of the rule: all that become of it share it */
	const char *comment;
};

struct compile_output {
	struct ruleset_rule *rules;
	size_t n, capacity;
};

void compile_output_clear(struct compile_output *output);

/* Appends to `output`, the caller's. -ENOMEM. */
int compile_rule(const struct compile_input *input, struct compile_output *output, struct error *err) must_check;

#endif
