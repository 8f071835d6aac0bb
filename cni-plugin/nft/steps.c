// SPDX-License-Identifier: Apache-2.0
#include "cni-plugin/nft/steps.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>

#include "cni-plugin/nft/expression.h"
#include "cni-plugin/nft/hooks.h"
#include "cni-plugin/nft/internal.h"
#include "cni-plugin/nft/userdata.h"

static void put_userdata(struct nlmsghdr *message, uint16_t attribute, const struct nft_userdata *userdata)
{
	if (userdata->n > 0)
		mnl_attr_put(message, attribute, userdata->n, userdata->bytes);
}

void nft_step_table_add(struct nft_transaction *tx, uint32_t flags)
{
	struct nlmsghdr *message = nft_transaction_step(tx, NFT_MSG_NEWTABLE, NLM_F_CREATE, NFT_STEP_ROOM, "table \"%s\"", tx->table);

	if (!message)
		return;
	mnl_attr_put_strz(message, NFTA_TABLE_NAME, tx->table);
	if (flags)
		mnl_attr_put_u32(message, NFTA_TABLE_FLAGS, htonl(flags));
	nft_transaction_put(tx, message);
}

void nft_step_table_delete(struct nft_transaction *tx)
{
	struct nlmsghdr *message = nft_transaction_step(tx, NFT_MSG_DELTABLE, 0, NFT_STEP_ROOM, "deletion of table \"%s\"", tx->table);

	if (!message)
		return;
	mnl_attr_put_strz(message, NFTA_TABLE_NAME, tx->table);
	nft_transaction_put(tx, message);
}

static void put_counter(const struct nft_transaction *tx, struct nlmsghdr *message, const struct ruleset_counter *counter)
{
	mnl_attr_put_strz(message, NFTA_OBJ_TABLE, tx->table);
	mnl_attr_put_strz(message, NFTA_OBJ_NAME, counter->name);
	mnl_attr_put_u32(message, NFTA_OBJ_TYPE, htonl(NFT_OBJECT_COUNTER));
}

void nft_step_counter_add(struct nft_transaction *tx, const struct ruleset_counter *counter)
{
	struct nlmsghdr *message =
		nft_transaction_step(tx, NFT_MSG_NEWOBJ, NLM_F_CREATE | NLM_F_EXCL, NFT_STEP_ROOM, "new counter \"%s\"", counter->name);

	if (!message)
		return;
	put_counter(tx, message, counter);
	mnl_attr_nest_end(message, mnl_attr_nest_start(message, NFTA_OBJ_DATA)); /* from zero, but the kernel wants the attribute */
	nft_transaction_put(tx, message);
}

void nft_step_counter_delete(struct nft_transaction *tx, const struct ruleset_counter *counter)
{
	struct nlmsghdr *message = nft_transaction_step(tx, NFT_MSG_DELOBJ, 0, NFT_STEP_ROOM, "deletion of counter \"%s\"", counter->name);

	if (!message)
		return;
	put_counter(tx, message, counter);
	nft_transaction_put(tx, message);
}

/* nft's datatype.h: a number per type, six bits each in a concatenation. The kernel keeps it for nft and does not look at it. */
#define TYPE_IPV4_ADDR 7u
#define TYPE_IPV6_ADDR 8u
#define TYPE_ETHER_ADDR 9u
#define TYPE_INET_PROTO 12u
#define TYPE_INET_SERVICE 13u
#define TYPE_IFACE_INDEX 20u
#define TYPE_SENDER(address) (TYPE_IFACE_INDEX << 6 | (address))
#define TYPE_PORTS_OF(address) ((address) << 12 | TYPE_INET_PROTO << 6 | TYPE_INET_SERVICE)

struct nft_set_type nft_set_type(enum ruleset_key key, bool interval, bool map)
{
	static const uint32_t types[] = {
		[RULESET_KEY_IPV4] = TYPE_IPV4_ADDR,
		[RULESET_KEY_IPV6] = TYPE_IPV6_ADDR,
		[RULESET_KEY_IPV4_PORT] = TYPE_PORTS_OF(TYPE_IPV4_ADDR),
		[RULESET_KEY_IPV6_PORT] = TYPE_PORTS_OF(TYPE_IPV6_ADDR),
		[RULESET_KEY_PORT] = TYPE_INET_SERVICE,
		[RULESET_KEY_IIF_MAC] = TYPE_SENDER(TYPE_ETHER_ADDR),
		[RULESET_KEY_IIF_IPV4] = TYPE_SENDER(TYPE_IPV4_ADDR),
		[RULESET_KEY_IIF_IPV6] = TYPE_SENDER(TYPE_IPV6_ADDR),
	};

	return (struct nft_set_type){
		.flags = (interval ? NFT_SET_INTERVAL : 0u) | (map ? NFT_SET_MAP : 0u),
		.key_type = types[key],
		.key_size = (uint32_t)ruleset_key_size(key),
		.data_type = map ? NFT_DATA_VERDICT : 0u,
	};
}

void nft_step_set_add(struct nft_transaction *tx, const struct ruleset_set *set, uint32_t id)
{
	struct nft_set_type type = nft_set_type(set->key, set->interval, set->map);
	struct nft_userdata userdata = {};
	struct nlmsghdr *message = nft_transaction_step(tx, NFT_MSG_NEWSET, NLM_F_CREATE | NLM_F_EXCL, NFT_STEP_ROOM, "new %s \"%s\"",
							set->map ? "map" : "set", set->name);

	if (!message)
		return;
	mnl_attr_put_strz(message, NFTA_SET_TABLE, tx->table);
	mnl_attr_put_strz(message, NFTA_SET_NAME, set->name);
	mnl_attr_put_u32(message, NFTA_SET_FLAGS, htonl(type.flags));
	mnl_attr_put_u32(message, NFTA_SET_KEY_TYPE, htonl(type.key_type));
	mnl_attr_put_u32(message, NFTA_SET_KEY_LEN, htonl(type.key_size));
	mnl_attr_put_u32(message, NFTA_SET_ID, htonl(id));
	if (set->map)
		mnl_attr_put_u32(message, NFTA_SET_DATA_TYPE, htonl(type.data_type));
	nft_userdata_key_order(&userdata);
	nft_userdata_comment(&userdata, NFTNL_UDATA_SET_COMMENT, set->comment);
	put_userdata(message, NFTA_SET_USERDATA, &userdata);
	nft_transaction_put(tx, message);
}

void nft_step_set_delete(struct nft_transaction *tx, const struct ruleset_set *set)
{
	struct nlmsghdr *message =
		nft_transaction_step(tx, NFT_MSG_DELSET, 0, NFT_STEP_ROOM, "deletion of %s \"%s\"", set->map ? "map" : "set", set->name);

	if (!message)
		return;
	mnl_attr_put_strz(message, NFTA_SET_TABLE, tx->table);
	mnl_attr_put_strz(message, NFTA_SET_NAME, set->name);
	nft_transaction_put(tx, message);
}

void nft_step_chain_add(struct nft_transaction *tx, const struct ruleset_chain *chain)
{
	struct nft_userdata userdata = {};
	struct nlmsghdr *message =
		nft_transaction_step(tx, NFT_MSG_NEWCHAIN, NLM_F_CREATE | NLM_F_EXCL, NFT_STEP_ROOM, "new chain \"%s\"", chain->name);

	if (!message)
		return;
	mnl_attr_put_strz(message, NFTA_CHAIN_TABLE, tx->table);
	mnl_attr_put_strz(message, NFTA_CHAIN_NAME, chain->name);
	if (chain->hook != RULESET_NO_HOOK)
		nft_hook_put(message, chain);
	nft_userdata_comment(&userdata, NFTNL_UDATA_CHAIN_COMMENT, chain->comment);
	put_userdata(message, NFTA_CHAIN_USERDATA, &userdata);
	nft_transaction_put(tx, message);
}

/* Without a hook: one that has one keeps it. */
void nft_step_chain_claim(struct nft_transaction *tx, const struct ruleset_chain *chain)
{
	struct nlmsghdr *message = nft_transaction_step(tx, NFT_MSG_NEWCHAIN, NLM_F_CREATE, NFT_STEP_ROOM, "chain \"%s\"", chain->name);

	if (!message)
		return;
	mnl_attr_put_strz(message, NFTA_CHAIN_TABLE, tx->table);
	mnl_attr_put_strz(message, NFTA_CHAIN_NAME, chain->name);
	nft_transaction_put(tx, message);
}

void nft_step_chain_delete(struct nft_transaction *tx, const struct ruleset_chain *chain)
{
	struct nlmsghdr *message = nft_transaction_step(tx, NFT_MSG_DELCHAIN, 0, NFT_STEP_ROOM, "deletion of chain \"%s\"", chain->name);

	if (!message)
		return;
	mnl_attr_put_strz(message, NFTA_CHAIN_TABLE, tx->table);
	mnl_attr_put_strz(message, NFTA_CHAIN_NAME, chain->name);
	nft_transaction_put(tx, message);
}

/* Without a handle, all rules of the chain. */
void nft_step_chain_flush(struct nft_transaction *tx, const struct ruleset_chain *chain)
{
	struct nlmsghdr *message = nft_transaction_step(tx, NFT_MSG_DELRULE, 0, NFT_STEP_ROOM, "flush of chain \"%s\"", chain->name);

	if (!message)
		return;
	mnl_attr_put_strz(message, NFTA_RULE_TABLE, tx->table);
	mnl_attr_put_strz(message, NFTA_RULE_CHAIN, chain->name);
	nft_transaction_put(tx, message);
}

static bool place_rule(const struct nft_transaction *tx, struct nftnl_rule *rule, const struct ruleset_chain *chain, size_t index)
{
	struct nft_userdata userdata = {};
	struct nft_rule_mark mark = { .index = (uint32_t)index, .total = (uint32_t)chain->n_rules };

	memcpy(mark.fingerprint, chain->fingerprint, sizeof(mark.fingerprint));
	nft_userdata_comment(&userdata, NFTNL_UDATA_RULE_COMMENT, chain->rules[index].comment);
	nft_userdata_rule_mark(&userdata, &mark);
	return nftnl_rule_set_str(rule, NFTNL_RULE_TABLE, tx->table) == 0 &&
	       nftnl_rule_set_str(rule, NFTNL_RULE_CHAIN, chain->name) == 0 &&
	       nftnl_rule_set_data(rule, NFTNL_RULE_USERDATA, userdata.bytes, (uint32_t)userdata.n) == 0;
}

int nft_step_rule_add(struct nft_transaction *tx, const struct ruleset_chain *chain, size_t index, struct error *err)
{
	const char *comment = chain->rules[index].comment;
	_cleanup_(nft_rule_freep) struct nftnl_rule *rule = NULL;

	int r = nft_expression_rule(&chain->rules[index], &rule, err);
	if (r < 0)
		return error_wrap(err, "rule \"%s\" in chain \"%s\"", comment ? comment : "", chain->name);
	if (!place_rule(tx, rule, chain, index))
		return error_nomem(err);
	struct nlmsghdr *message = nft_transaction_step(tx, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, NFT_STEP_ROOM,
							"rule \"%s\" in chain \"%s\"", comment ? comment : "", chain->name);
	if (message) {
		nftnl_rule_nlmsg_build_payload(message, rule);
		nft_transaction_put(tx, message);
	}
	return 0;
}
