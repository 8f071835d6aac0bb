// SPDX-License-Identifier: Apache-2.0
/*
 * Elements of one set. A single one is asked for by its key; the kernel would answer for an interval set with the interval
 * around the key, so there all of it is read and compared.
 */
#include "cni-plugin/nft/internal.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>

#include "cni-plugin/nft/elements.h"

#define ATTEMPTS 20 /* growing to 100,000 elements doubles a table a dozen times */

static int visit_elements(const struct nlmsghdr *message, void *context, struct error *err)
{
	return nft_elements_take(context, message, err);
}

static int dump_elements(struct nft *nft, struct ruleset_set *set, struct error *err)
{
	_cleanup_(nft_elements_reader_free) struct nft_elements_reader reader = NFT_ELEMENTS_READER(set);
	uint8_t family = nft_family(ruleset_family(set->ruleset));
	uint8_t buffer[NFT_REQUEST_MAX];
	struct nlmsghdr *request = nft_request(buffer, NFT_MSG_GETSETELEM, NLM_F_DUMP, family);

	mnl_attr_put_strz(request, NFTA_SET_ELEM_LIST_TABLE, RULESET_TABLE);
	mnl_attr_put_strz(request, NFTA_SET_ELEM_LIST_SET, set->name);
	int r = nft_socket_request(&nft->socket, request, visit_elements, &reader, err);
	return r < 0 ? r : nft_elements_finish(&reader, set, err);
}

int nft_read_elements(struct nft *nft, struct ruleset_set *set, struct error *err)
{
	int r = -EAGAIN;

	for (int i = 0; i < ATTEMPTS && r == -EAGAIN; i++)
		r = dump_elements(nft, set, err);
	return r < 0 ? error_wrap(err, "elements of \"%s\"", set->name) : 0;
}

static int read_one(struct nft *nft, struct ruleset_set *set, const void *element, struct error *err)
{
	_cleanup_(nft_elements_reader_free) struct nft_elements_reader reader = NFT_ELEMENTS_READER(set);
	uint8_t family = nft_family(ruleset_family(set->ruleset));
	uint8_t buffer[NFT_REQUEST_MAX];
	struct nlmsghdr *request = nft_request(buffer, NFT_MSG_GETSETELEM, 0, family);

	nft_elements_put_key(request, set, element);
	int r = nft_socket_request(&nft->socket, request, visit_elements, &reader, err);
	if (r == 0)
		r = nft_elements_finish(&reader, set, err);
	return r < 0 ? error_wrap(err, "element of \"%s\"", set->name) : 0;
}

int nft_has_element(struct nft *nft, const struct ruleset_set *set, const void *element, const char *target, struct error *err)
{
	_cleanup_(ruleset_freep) struct ruleset *kernel = ruleset_new(ruleset_family(set->ruleset));
	struct ruleset_set *there;

	if (!kernel)
		return error_nomem(err);
	int r = ruleset_set_add(kernel, set->name, set->key, set->interval, set->map, "", &there, err);
	if (r == 0)
		r = set->interval ? nft_read_elements(nft, there, err) : read_one(nft, there, element, err);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	ptrdiff_t at = ruleset_element_find(there, element);
	if (at < 0)
		return 0;
	return !set->map || !target || strcmp(there->targets[at], target) == 0;
}
