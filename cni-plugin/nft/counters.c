// SPDX-License-Identifier: Apache-2.0
/*
 * A dump of objects gives a message per counter: name, type, and a nest with two 64-bit numbers in network byte order. Numbers read while
 * packets pass are of slightly different moments; only a change of the objects themselves makes a dump worthless.
 */
#include "cni-plugin/nft/internal.h"

#include <endian.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#define ATTEMPTS 10

struct dump {
	struct ruleset *ruleset;
	bool add, has_others;
};

static void take_numbers(const struct nlmsghdr *message, struct ruleset_counter *counter)
{
	const struct nlattr *attribute, *number;

	mnl_attr_for_each(attribute, message, sizeof(struct nfgenmsg)) {
		if (mnl_attr_get_type(attribute) != NFTA_OBJ_DATA)
			continue;
		mnl_attr_for_each_nested(number, attribute) {
			if (mnl_attr_validate(number, MNL_TYPE_U64) < 0)
				continue;
			if (mnl_attr_get_type(number) == NFTA_COUNTER_PACKETS)
				counter->packets = be64toh(mnl_attr_get_u64(number));
			if (mnl_attr_get_type(number) == NFTA_COUNTER_BYTES)
				counter->bytes = be64toh(mnl_attr_get_u64(number));
		}
	}
}

static int visit_object(const struct nlmsghdr *message, void *context, struct error *err)
{
	const char *name = nft_text_of(message, NFTA_OBJ_NAME);
	struct dump *dump = context;

	if (!nft_is_ours(message, ruleset_family(dump->ruleset), NFTA_OBJ_TABLE))
		return 0;
	if (nft_number_of(message, NFTA_OBJ_TYPE, NFT_OBJECT_UNSPEC) != NFT_OBJECT_COUNTER) {
		dump->has_others = true;
		return 0;
	}
	int r = dump->add ? ruleset_counter_add(dump->ruleset, name, err) : 0;
	struct ruleset_counter *counter = r == 0 ? ruleset_counter_find(dump->ruleset, name) : NULL;
	if (counter)
		take_numbers(message, counter);
	return r;
}

int nft_dump_counters(struct nft *nft, struct ruleset *ruleset, bool add, struct error *err)
{
	enum ruleset_family family = ruleset_family(ruleset);
	struct dump dump = { .ruleset = ruleset, .add = add };
	uint8_t buffer[NFT_REQUEST_MAX];
	struct nlmsghdr *request = nft_request(buffer, NFT_MSG_GETOBJ, NLM_F_DUMP, nft_family(family));

	mnl_attr_put_strz(request, NFTA_OBJ_TABLE, RULESET_TABLE);
	int r = nft_socket_request(&nft->socket, request, visit_object, &dump, err);
	return r < 0 ? error_wrap(err, "counters") : dump.has_others;
}

int nft_read_counters(struct nft *nft, struct ruleset *ruleset, struct error *err)
{
	int r = -EAGAIN;

	for (int i = 0; i < ATTEMPTS && r == -EAGAIN; i++)
		r = nft_dump_counters(nft, ruleset, false, err);
	return r < 0 ? r : 0;
}
