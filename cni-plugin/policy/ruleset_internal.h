// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_POLICY_RULESET_INTERNAL_H
#define HOLDFAST_POLICY_RULESET_INTERNAL_H

#include "cni-plugin/policy/named.h"
#include "cni-plugin/policy/ruleset.h"

/* The pending lists have room for every object, so marking one cannot fail. An object may stay in them after its change was undone. */
struct ruleset {
	enum ruleset_family family;
	struct named sets, chains, counters;
	struct named pending_sets, pending_chains, pending_counters;
};

void ruleset_mark_set(struct ruleset_set *set);
void ruleset_mark_chain(struct ruleset *ruleset, struct ruleset_chain *chain);
void ruleset_mark_counter(struct ruleset *ruleset, struct ruleset_counter *counter);
void ruleset_set_free(struct ruleset_set *set);
void ruleset_chain_free(struct ruleset_chain *chain);
void ruleset_counter_free(struct ruleset_counter *counter);
/* Sets the state from in_kernel and the fingerprints, for a chain that is wanted. */
void ruleset_chain_judge(struct ruleset *ruleset, struct ruleset_chain *chain);
int ruleset_check_name(const char *name, struct error *err) must_check;

bool elements_find(const struct ruleset_elements *elements, size_t stride, const void *element, size_t *ret_position);
bool elements_reserve(struct ruleset_elements *elements, size_t stride, size_t n);
void elements_insert(struct ruleset_elements *elements, size_t stride, size_t position, const void *element);
void elements_remove(struct ruleset_elements *elements, size_t stride, size_t position);
bool elements_put(struct ruleset_elements *elements, size_t stride, const void *element);  /* false if out of memory */
bool elements_drop(struct ruleset_elements *elements, size_t stride, const void *element); /* false if it is not there */
void elements_free(struct ruleset_elements *elements);

/* ruleset_field.c: as nft writes them. */
void field_print(const struct ruleset_match *match, struct buf *out);
const char *field_name(enum ruleset_field field);
void print_protocol(uint8_t protocol, struct buf *out);
void print_address(const uint8_t *bytes, bool ipv6, struct buf *out);

static inline const uint8_t *elements_at(const struct ruleset_elements *elements, size_t stride, size_t i)
{
	return elements->bytes + i * stride;
}

#endif
