// SPDX-License-Identifier: Apache-2.0
/*
 *	sent at the end of a commit:   [ NEWTABLE | DELCHAIN | NEWRULE | DELSETELEM … ]…   NEWGEN (process id, process name)
 *
 * Each message carries its sender's port in nlmsg_pid and its table in attribute 1, whatever its kind; so one that is not about our tables
 * costs a comparison, and nothing is read from the kernel for it.
 */
#include "cni-plugin/nft/watch.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>
#include <string.h>

#include "common/base/array.h"
#include "cni-plugin/nft/internal.h"

#define TABLE_ATTRIBUTE 1 /* NFTA_TABLE_NAME, NFTA_CHAIN_TABLE, NFTA_RULE_TABLE, NFTA_SET_TABLE, … */

static const struct table_row {
	uint8_t family;
	const char *family_name, *name;
} tables[] = {
	{ NFPROTO_INET, "inet", RULESET_TABLE },
	{ NFPROTO_NETDEV, "netdev", RULESET_TABLE },
};

static const struct kind_row {
	uint16_t type;
	const char *words;
	uint16_t name; /* the attribute that says of what; 0: only the table */
} kinds[] = {
	{ NFT_MSG_NEWTABLE, "creation or change", 0 },
	{ NFT_MSG_DELTABLE, "deletion", 0 },
	{ NFT_MSG_NEWCHAIN, "creation or change of chain", NFTA_CHAIN_NAME },
	{ NFT_MSG_DELCHAIN, "deletion of chain", NFTA_CHAIN_NAME },
	{ NFT_MSG_NEWRULE, "new rule in chain", NFTA_RULE_CHAIN },
	{ NFT_MSG_DELRULE, "deletion of a rule in chain", NFTA_RULE_CHAIN },
	{ NFT_MSG_NEWSET, "creation or change of set", NFTA_SET_NAME },
	{ NFT_MSG_DELSET, "deletion of set", NFTA_SET_NAME },
	{ NFT_MSG_NEWSETELEM, "new element in set", NFTA_SET_ELEM_LIST_SET },
	{ NFT_MSG_DELSETELEM, "deletion of an element in set", NFTA_SET_ELEM_LIST_SET },
	{ NFT_MSG_NEWOBJ, "creation or change of object", NFTA_OBJ_NAME },
	{ NFT_MSG_DELOBJ, "deletion of object", NFTA_OBJ_NAME },
	{ NFT_MSG_NEWFLOWTABLE, "creation or change of flowtable", NFTA_FLOWTABLE_NAME },
	{ NFT_MSG_DELFLOWTABLE, "deletion of flowtable", NFTA_FLOWTABLE_NAME },
};

static const struct table_row *find_table(const struct nlmsghdr *message)
{
	const struct nfgenmsg *extra = mnl_nlmsg_get_payload(message);

	for (size_t i = 0; i < ELEMENTS_OF(tables); i++) {
		if (tables[i].family == extra->nfgen_family && strcmp(tables[i].name, nft_text_of(message, TABLE_ATTRIBUTE)) == 0)
			return &tables[i];
	}
	return NULL;
}

static void describe(const struct nlmsghdr *message, uint16_t type, const struct table_row *table, struct nft_meddling *to)
{
	static const struct kind_row unknown = { .words = "change" };
	const struct kind_row *kind = &unknown;

	for (size_t i = 0; i < ELEMENTS_OF(kinds); i++)
		if (kinds[i].type == type)
			kind = &kinds[i];
	if (kind->name)
		snprintf(to->first, sizeof(to->first), "%s \"%.255s\" of table %s %s", kind->words, nft_text_of(message, kind->name),
			 table->family_name, table->name);
	else
		snprintf(to->first, sizeof(to->first), "%s of table %s %s", kind->words, table->family_name, table->name);
}

static void take_change(const struct nlmsghdr *message, uint16_t type, struct nft_meddling *to)
{
	const struct table_row *table = find_table(message);

	if (!table)
		return;
	if (to->port != message->nlmsg_pid) /* the end of an earlier one was lost */
		*to = (struct nft_meddling){ .port = message->nlmsg_pid };
	if (to->n_changes++ == 0)
		describe(message, type, table, to);
}

static void take_generation(const struct nlmsghdr *message, struct nft_meddling *to)
{
	to->process = nft_number_of(message, NFTA_GEN_PROC_PID, 0);
	snprintf(to->program, sizeof(to->program), "%s", nft_text_of(message, NFTA_GEN_PROC_NAME));
}

static bool take_message(const struct nlmsghdr *message, struct nft_meddling *so_far)
{
	uint16_t type = message->nlmsg_type & 0xff;

	if (message->nlmsg_type >> 8 != NFNL_SUBSYS_NFTABLES || mnl_nlmsg_get_payload_len(message) < sizeof(struct nfgenmsg))
		return false;
	if (type != NFT_MSG_NEWGEN) {
		take_change(message, type, so_far);
		return false;
	}
	if (so_far->n_changes == 0 || so_far->port != message->nlmsg_pid)
		return false;
	take_generation(message, so_far);
	return true;
}

bool nft_watch_feed(struct slice datagram, uint32_t own, struct nft_meddling *so_far)
{
	const struct nlmsghdr *message = (const struct nlmsghdr *)datagram.p;
	int left = (int)datagram.n;
	bool complete = false;

	for (; nft_message_ok(message, left); message = mnl_nlmsg_next(message, &left))
		if (message->nlmsg_pid != own)
			complete |= take_message(message, so_far);
	return complete;
}
