// SPDX-License-Identifier: Apache-2.0
#include <ftw.h>

#include "cni-plugin/nft/nft.h"
#include "tests/soak/node.h"

static size_t files; /* nftw has no context */

static int count_file(const char *path, const struct stat *stat, int type, struct FTW *ftw)
{
	files += type == FTW_F;
	return 0;
}

static int count_table(struct nft *nft, enum ruleset_family family, struct census *ret, struct error *err)
{
	_cleanup_(ruleset_freep) struct ruleset *kernel = NULL;
	const struct ruleset_chain *chain = NULL;
	const struct ruleset_counter *counter = NULL;
	const struct ruleset_set *set = NULL;

	int r = nft_read(nft, family, &kernel, err);
	if (r < 0)
		return r;
	while ((chain = ruleset_next_chain(kernel, chain)))
		ret->chains++;
	while ((set = ruleset_next_set(kernel, set))) {
		ret->sets++;
		ret->elements += set->elements.n;
	}
	while ((counter = ruleset_next_counter(kernel, counter)))
		ret->counters++;
	return 0;
}

static int count_kernel(struct node *node, struct census *ret, struct error *err)
{
	_cleanup_(nft_closep) struct nft *nft = NULL;

	int r = fabric_enter(node->fabric, FABRIC_NODE, err);
	if (r == 0)
		r = nft_open(&nft, err);
	fabric_leave(node->fabric);
	for (int family = 0; family < RULESET_FAMILIES && r == 0; family++)
		r = count_table(nft, (enum ruleset_family)family, ret, err);
	return r;
}

int node_census(struct node *node, struct census *ret, struct error *err)
{
	*ret = (struct census){ 0 };
	files = 0;
	nftw("/run/holdfast", count_file, 16, FTW_PHYS);
	ret->files = files;
	int r = count_kernel(node, ret, err);
	return r == 0 ? footprint_read(node->agent, &ret->agent, err) : r;
}
