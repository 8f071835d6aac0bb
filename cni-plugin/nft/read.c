// SPDX-License-Identifier: Apache-2.0
/*
 * A read is several dumps: table, chains, rules, counters, sets, the elements of each set. The generation of nf_tables before and after
 * tells whether they belong together; if not, all of it is read again. (The generation counts every program's changes in this network
 * namespace, so a busy kube-proxy costs a repetition now and then.)
 *
 * Of a chain's rules only the marks in their user data are looked at: rule i of n says "i of n, fingerprint f". A chain whose
 * rules are not exactly 0..n-1 of one n and one fingerprint has been changed by somebody else, and gets no fingerprint.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/array.h"
#include "cni-plugin/nft/hooks.h"
#include "cni-plugin/nft/internal.h"
#include "cni-plugin/nft/steps.h"
#include "cni-plugin/nft/userdata.h"

#define ATTEMPTS 10 /* and PATIENCE_US: on a busy machine ten are over before a busy writer is */
#define PATIENCE_US 500000
#define CHAINS_MAX 1000000

struct chain_read {
	char *name;
	struct nft_rule_mark first; /* the mark of its first rule */
	uint32_t n_rules;
	enum ruleset_hook hook;
	int priority;
	bool foreign; /* not as we make it */
};

struct reading {
	struct nft *nft;
	enum ruleset_family family;
	struct ruleset *ruleset;
	struct chain_read *chains; /* sorted by name once all are known */
	size_t n_chains, capacity;
	struct chain_read *current; /* rules come chain by chain */
	uint32_t generation;
	bool has_table, has_interim;
	enum nft_table_state state;
	bool strange; /* something that we never make and cannot mend object by object */
};

static void reading_free(struct reading *reading)
{
	for (size_t i = 0; i < reading->n_chains; i++)
		free(reading->chains[i].name);
	free(reading->chains);
	ruleset_free(reading->ruleset);
	*reading = (struct reading){};
}

static int visit_generation(const struct nlmsghdr *message, void *context, struct error *err)
{
	*(uint32_t *)context = nft_number_of(message, NFTA_GEN_ID, 0);
	return 0;
}

static int read_generation(struct nft *nft, uint32_t *ret, struct error *err)
{
	uint8_t buffer[NFT_REQUEST_MAX];
	struct nlmsghdr *request = nft_request(buffer, NFT_MSG_GETGEN, 0, AF_UNSPEC);
	int r = nft_socket_request(&nft->socket, request, visit_generation, ret, err);

	if (r == -EINVAL) /* nfnetlink's word for a subsystem that is not there; nf_tables has none for this question */
		return error_set(err, ENOSYS, "this kernel has no nf_tables: `modprobe nf_tables`, or use one with CONFIG_NF_TABLES_INET");
	return r < 0 ? error_wrap(err, "generation of nf_tables") : 0;
}

static int visit_table(const struct nlmsghdr *message, void *context, struct error *err)
{
	struct reading *reading = context;

	reading->has_table = true;
	reading->state = nft_table_judge(reading->nft, nft_number_of(message, NFTA_TABLE_FLAGS, 0), nft_number_of(message, NFTA_TABLE_OWNER, 0));
	return 0;
}

static int visit_interim(const struct nlmsghdr *message, void *context, struct error *err)
{
	((struct reading *)context)->has_interim = true;
	return 0;
}

/* 1 if there is such a table, 0 if not. */
static int ask_for_table(struct reading *reading, const char *name, nft_visit *visit, struct error *err)
{
	uint8_t buffer[NFT_REQUEST_MAX];
	struct nlmsghdr *request = nft_request(buffer, NFT_MSG_GETTABLE, 0, nft_family(reading->family));

	mnl_attr_put_strz(request, NFTA_TABLE_NAME, name);
	int r = nft_socket_request(&reading->nft->socket, request, visit, reading, err);
	if (r == -ENOENT)
		return 0;
	return r < 0 ? error_wrap(err, "table \"%s\"", name) : 1;
}

/* 1 if there is our table, 0 if not. */
static int read_tables(struct reading *reading, struct error *err)
{
	int r = ask_for_table(reading, RULESET_INTERIM, visit_interim, err);

	if (r >= 0)
		r = ask_for_table(reading, RULESET_TABLE, visit_table, err);
	if (r <= 0)
		return r;
	reading->strange |= reading->state == NFT_TABLE_STRANGE;
	return 1;
}

static int visit_chain(const struct nlmsghdr *message, void *context, struct error *err)
{
	struct reading *reading = context;
	struct chain_read chain = {};

	if (!nft_is_ours(message, reading->family, NFTA_CHAIN_TABLE))
		return 0;
	if (reading->n_chains >= CHAINS_MAX)
		return error_set(err, E2BIG, "the table has more than %d chains", CHAINS_MAX);
	if (!array_room((void **)&reading->chains, reading->n_chains, &reading->capacity, sizeof(chain)))
		return error_nomem(err);
	chain.name = strdup(nft_text_of(message, NFTA_CHAIN_NAME));
	if (!chain.name)
		return error_nomem(err);
	chain.hook = nft_hook_of(message, reading->family, &chain.priority);
	chain.foreign = nft_number_of(message, NFTA_CHAIN_POLICY, NF_ACCEPT) != NF_ACCEPT;
	reading->chains[reading->n_chains++] = chain;
	return 0;
}

static int compare_chains(const void *a, const void *b)
{
	return strcmp(((const struct chain_read *)a)->name, ((const struct chain_read *)b)->name);
}

static struct chain_read *find_chain(struct reading *reading, const char *name)
{
	struct chain_read key = { .name = (char *)name };

	if (reading->current && strcmp(reading->current->name, name) == 0)
		return reading->current;
	if (reading->n_chains > 0)
		reading->current = bsearch(&key, reading->chains, reading->n_chains, sizeof(key), compare_chains);
	return reading->current;
}

static bool find_mark(const struct nlmsghdr *message, struct nft_rule_mark *ret)
{
	const struct nlattr *attribute;

	mnl_attr_for_each(attribute, message, sizeof(struct nfgenmsg))
		if (mnl_attr_get_type(attribute) == NFTA_RULE_USERDATA)
			return nft_userdata_find_mark(mnl_attr_get_payload(attribute), mnl_attr_get_payload_len(attribute), ret);
	return false;
}

static int visit_rule(const struct nlmsghdr *message, void *context, struct error *err)
{
	struct reading *reading = context;
	struct chain_read *chain;
	struct nft_rule_mark mark;

	if (!nft_is_ours(message, reading->family, NFTA_RULE_TABLE))
		return 0;
	chain = find_chain(reading, nft_text_of(message, NFTA_RULE_CHAIN));
	if (!chain) /* born after the chains were read; the generation tells */
		return 0;
	if (!find_mark(message, &mark)) {
		chain->foreign = true;
	} else {
		if (chain->n_rules == 0)
			chain->first = mark;
		chain->foreign |= mark.index != chain->n_rules || mark.total != chain->first.total ||
				  strcmp(mark.fingerprint, chain->first.fingerprint) != 0;
	}
	chain->n_rules++;
	return 0;
}

static bool find_set_type(const struct nlmsghdr *message, enum ruleset_key *key, bool *interval, bool *map)
{
	uint32_t flags = nft_number_of(message, NFTA_SET_FLAGS, 0);

	*interval = flags & NFT_SET_INTERVAL;
	*map = flags & NFT_SET_MAP;
	for (*key = RULESET_KEY_IPV4; *key < RULESET_KEY_COUNT; (*key)++) {
		struct nft_set_type type = nft_set_type(*key, *interval, *map);
		if (flags == type.flags && nft_number_of(message, NFTA_SET_KEY_TYPE, 0) == type.key_type &&
		    nft_number_of(message, NFTA_SET_KEY_LEN, 0) == type.key_size && nft_number_of(message, NFTA_SET_DATA_TYPE, 0) == type.data_type)
			return true;
	}
	return false;
}

static int visit_set(const struct nlmsghdr *message, void *context, struct error *err)
{
	struct reading *reading = context;
	struct ruleset_set *set;
	enum ruleset_key key;
	bool interval, map;

	if (!nft_is_ours(message, reading->family, NFTA_SET_TABLE))
		return 0;
	if (!find_set_type(message, &key, &interval, &map)) {
		reading->strange = true;
		return 0;
	}
	return ruleset_set_add(reading->ruleset, nft_text_of(message, NFTA_SET_NAME), key, interval, map, "", &set, err);
}

static int dump(struct reading *reading, uint16_t type, uint16_t table_attribute, nft_visit *visit, const char *what, struct error *err)
{
	uint8_t buffer[NFT_REQUEST_MAX];
	struct nlmsghdr *request = nft_request(buffer, type, NLM_F_DUMP, nft_family(reading->family));

	mnl_attr_put_strz(request, table_attribute, RULESET_TABLE);
	int r = nft_socket_request(&reading->nft->socket, request, visit, reading, err);
	return r < 0 ? error_wrap(err, "%s", what) : 0;
}

/* A chain without rules has nobody to carry its mark; its fingerprint is that of no rules. */
static int find_empty_fingerprint(char fingerprint[static NFT_FINGERPRINT_SIZE], struct error *err)
{
	_cleanup_(ruleset_freep) struct ruleset *empty = ruleset_new(RULESET_INET);

	if (!empty)
		return error_nomem(err);
	int r = ruleset_chain_put(empty, "empty", RULESET_NO_HOOK, 0, "", NULL, 0, err);
	if (r == 0)
		memcpy(fingerprint, ruleset_chain_find(empty, "empty")->fingerprint, NFT_FINGERPRINT_SIZE);
	return r;
}

static int put_chains(struct reading *reading, struct error *err)
{
	char empty[NFT_FINGERPRINT_SIZE];
	int r = find_empty_fingerprint(empty, err);

	for (size_t i = 0; i < reading->n_chains && r == 0; i++) {
		const struct chain_read *chain = &reading->chains[i];
		const char *fingerprint = chain->n_rules > 0 ? chain->first.fingerprint : empty;
		if (chain->foreign || (chain->n_rules > 0 && chain->n_rules != chain->first.total))
			fingerprint = "";
		r = ruleset_chain_put_kernel(reading->ruleset, chain->name, chain->hook, chain->priority, fingerprint, err);
	}
	return r;
}

static int read_counters(struct reading *reading, struct error *err)
{
	int r = nft_dump_counters(reading->nft, reading->ruleset, true, err);

	reading->strange |= r > 0;
	return r < 0 ? r : 0;
}

static int read_content(struct reading *reading, struct error *err)
{
	struct ruleset_set *set = NULL;
	int r = dump(reading, NFT_MSG_GETCHAIN, NFTA_CHAIN_TABLE, visit_chain, "chains", err);

	if (r == 0 && reading->n_chains > 0)
		qsort(reading->chains, reading->n_chains, sizeof(*reading->chains), compare_chains);
	if (r == 0)
		r = dump(reading, NFT_MSG_GETRULE, NFTA_RULE_TABLE, visit_rule, "rules", err);
	if (r == 0)
		r = put_chains(reading, err);
	if (r == 0)
		r = read_counters(reading, err);
	if (r == 0)
		r = dump(reading, NFT_MSG_GETSET, NFTA_SET_TABLE, visit_set, "sets", err);
	while (r == 0 && (set = ruleset_next_set(reading->ruleset, set)))
		r = nft_read_elements(reading->nft, set, err);
	return r;
}

static int read_once(struct reading *reading, struct error *err)
{
	uint32_t generation = 0;

	reading->ruleset = ruleset_new(reading->family);
	if (!reading->ruleset)
		return error_nomem(err);
	int r = read_generation(reading->nft, &reading->generation, err);
	if (r == 0)
		r = read_tables(reading, err);
	if (r > 0)
		r = read_content(reading, err);
	/* An object that went between two dumps is missing in the second. */
	if (r == 0 || r == -ENOENT) {
		int after = read_generation(reading->nft, &generation, err);
		if (after < 0)
			return after;
		if (generation != reading->generation)
			return error_set(err, EAGAIN, "nf_tables was changed while it was read");
	}
	return r;
}

int nft_read(struct nft *nft, enum ruleset_family family, struct ruleset **ret, struct error *err)
{
	uint64_t start = nft_now_us();
	int r = -EAGAIN;

	for (int i = 0; r == -EAGAIN && (i < ATTEMPTS || nft_now_us() - start < PATIENCE_US); i++) {
		_cleanup_(reading_free) struct reading reading = { .nft = nft, .family = family };
		r = read_once(&reading, err);
		if (r < 0)
			continue;
		nft->tables[family] = (struct nft_table){
			.state = reading.state,
			.replace = reading.strange,
			.interim = reading.has_interim,
			.owned = nft->own && reading.has_table && reading.state == NFT_TABLE_RIGHT,
		};
		if (reading.strange) {
			ruleset_free(reading.ruleset);
			reading.ruleset = ruleset_new(family);
			if (!reading.ruleset)
				return error_nomem(err);
		}
		*ret = TAKE_PTR(reading.ruleset);
		return 0;
	}
	return error_wrap(err, "cannot read what the kernel has");
}
