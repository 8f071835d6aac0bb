// SPDX-License-Identifier: Apache-2.0
/* CNI CHECK: what the kernel really has, asked of the kernel, not of what we believe that we sent. */
#include "cni-plugin/agent/enforcer_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

static int check_element(struct enforcer *enforcer, const char *map, const struct kube_address *address, struct error *err)
{
	const struct ruleset_set *set = ruleset_set_find(enforcer_wanted(enforcer), map);
	char text[INET6_ADDRSTRLEN];

	ptrdiff_t i = set ? ruleset_element_find(set, address->bytes) : -1;
	if (i < 0)
		return 0;
	int r = nft_has_element(enforcer->nft, set, address->bytes, set->targets[i], err);
	if (r != 0)
		return r < 0 ? r : 0;
	kube_address_format(address, text);
	return error_set(err, ESTALE, "the kernel lacks %s in map %s of table inet " RULESET_TABLE ": somebody else has changed it", text,
			 map);
}

static int check_chains(struct enforcer *enforcer, const struct ruleset *ruleset, struct error *err)
{
	_cleanup_(ruleset_freep) struct ruleset *kernel = NULL;
	enum ruleset_family family = ruleset_family(ruleset);
	const struct ruleset_chain *chain = NULL;

	int r = nft_read(enforcer->nft, family, &kernel, err);
	if (r < 0)
		return r;
	while ((chain = ruleset_next_chain(ruleset, chain))) {
		const struct ruleset_chain *found = ruleset_chain_find(kernel, chain->name);
		if (chain->state == RULESET_DOOMED)
			continue;
		if (!found || strcmp(found->fingerprint, chain->fingerprint) != 0)
			return error_set(err, ESTALE, "the kernel lacks chain %s of table %s " RULESET_TABLE ": somebody else has changed it",
					 chain->name, ruleset_family_name(family));
	}
	return 0;
}

int enforcer_check(struct enforcer *enforcer, const struct attachment *attachment, struct error *err)
{
	int r = enforcer_apply(enforcer, err);

	if (r == 0)
		r = check_chains(enforcer, senders_ruleset(enforcer->senders), err);
	if (r == 0)
		r = check_chains(enforcer, enforcer_wanted(enforcer), err);
	for (size_t i = 0; i < attachment->n_addresses && r == 0; i++) {
		const struct kube_address *address = &attachment->addresses[i];
		bool v4 = address->family == AF_INET;
		r = check_element(enforcer, v4 ? POLICY_EGRESS_MAP4 : POLICY_EGRESS_MAP6, address, err);
		if (r == 0)
			r = check_element(enforcer, v4 ? POLICY_INGRESS_MAP4 : POLICY_INGRESS_MAP6, address, err);
	}
	return r;
}
