// SPDX-License-Identifier: Apache-2.0
/*
 * old_layout ADDRESS…: puts the table that another build of Holdfast might have left, with chains, maps, priorities and sets of other
 * names, in the place of the one that is there. Pods of these addresses are reached by the first of them only (by the first of the same
 * family), on whatever port; and by their own node.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cni-plugin/nft/nft.h"
#include "cni-plugin/policy/layout.h"

static int put_sets(struct ruleset *ruleset, int family, char **addresses, int n, struct error *err)
{
	enum ruleset_key type = family == AF_INET ? RULESET_KEY_IPV4 : RULESET_KEY_IPV6;
	struct ruleset_set *guarded, *friends;
	uint8_t key[16];

	int r = ruleset_set_add(ruleset, family == AF_INET ? "guarded" : "guarded6", type, false, true, "", &guarded, err);
	if (r == 0)
		r = ruleset_set_add(ruleset, family == AF_INET ? "friends" : "friends6", type, false, false, "", &friends, err);
	for (int i = 0; i < n && r == 0; i++) {
		if (inet_pton(family, addresses[i], key) != 1)
			continue;
		r = ruleset_element_add(guarded, key, "judge", err);
		if (r == 0 && friends->elements.n == 0)
			r = ruleset_element_add(friends, key, NULL, err);
	}
	return r;
}

static int put_chains(struct ruleset *ruleset, struct error *err)
{
	struct ruleset_rule judge[] = {
		{ .matches = { { .type = RULESET_SOURCE_IN, .set = strdup("friends") } }, .n_matches = 1, .by_connection = true },
		{ .matches = { { .type = RULESET_SOURCE_IN, .set = strdup("friends6") } }, .n_matches = 1, .by_connection = true },
		{ .verdict = RULESET_DROP },
	};
	struct ruleset_rule gate[] = {
		{ .verdict = RULESET_DESTINATION_MAP, .target = strdup("guarded"), .by_connection = true },
		{ .verdict = RULESET_DESTINATION_MAP, .target = strdup("guarded6"), .by_connection = true },
	};

	int r = ruleset_chain_put(ruleset, "judge", RULESET_NO_HOOK, 0, "", judge, 3, err);
	return r < 0 ? r : ruleset_chain_put(ruleset, "gate", RULESET_HOOK_FORWARD, 150, "", gate, 2, err);
}

static int replace(char **addresses, int n, struct error *err)
{
	_cleanup_(ruleset_freep) struct ruleset *ruleset = ruleset_new(RULESET_INET);
	_cleanup_(nft_closep) struct nft *nft = NULL;

	int r = ruleset ? put_sets(ruleset, AF_INET, addresses, n, err) : error_nomem(err);
	if (r == 0)
		r = put_sets(ruleset, AF_INET6, addresses, n, err);
	if (r == 0)
		r = put_chains(ruleset, err);
	if (r == 0)
		r = policy_layout_seal(ruleset, err);
	if (r == 0)
		r = nft_open(&nft, err);
	if (r == 0 && !getenv("PLAIN"))
		r = nft_own(nft, err);
	return r < 0 ? r : nft_reconcile(nft, ruleset, NULL, err);
}

int main(int argc, char **argv)
{
	struct error err;

	if (replace(argv + 1, argc - 1, &err) == 0)
		return EXIT_SUCCESS;
	fprintf(stderr, "old_layout: %s\n", err.message);
	return EXIT_FAILURE;
}
