// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_NFT_LOWERING_H
#define HOLDFAST_NFT_LOWERING_H

#include <stdio.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>

#include "common/base/error.h"
#include "cni-plugin/policy/ruleset.h"

/* A rule while its expressions are put together. What fails sticks. */
struct lowering {
	struct nftnl_rule *rule;
	bool by_connection;
	uint8_t family;   /* asked for already; 0 = not yet */
	uint8_t protocol; /* likewise */
	bool failed;      /* out of memory; sticks */
};

struct nftnl_expr *lowering_add(struct lowering *to, const char *name); /* NULL: failed */
void lowering_put_u32(struct nftnl_expr *expression, uint16_t attribute, uint32_t value);
void lowering_load_meta(struct lowering *to, uint32_t key, uint32_t reg);
void lowering_load_payload(struct lowering *to, uint32_t base, size_t offset, size_t n, uint32_t reg);
/* NFT_REG_1, with bytes in network order; and as the key of a set. */
void lowering_compare_range(struct lowering *to, const void *first, const void *last, size_t n);
struct nftnl_expr *lowering_lookup(struct lowering *to, const char *set);

/* expression_field.c: RULESET_FIELD and RULESET_SENDER_IN. */
int lower_field(struct lowering *to, const struct ruleset_match *match, struct error *err) must_check;
int lower_sender_in(struct lowering *to, const struct ruleset_match *match, struct error *err) must_check;

#endif
