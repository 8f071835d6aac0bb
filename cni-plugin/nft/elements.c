// SPDX-License-Identifier: Apache-2.0
/*
 * Written by hand on libmnl, because the length of the attribute that holds all elements of a message is 16 bits: libnftnl's
 * nftnl_set_elems_nlmsg_build_payload() lets 4,096 IPv4 addresses wrap it to 0, and the kernel loads nothing and says OK. Here a message
 * is full at ELEMENTS_MAX bytes.
 *
 * An interval [first, last] is two elements, `first` and `last + 1` with NFT_SET_ELEM_INTERVAL_END; one that reaches the top of its
 * space has no second. (nft also puts an end at zero in front of everything; the kernel does not need it, and reading must not
 * be confused by it.) The kernel dumps elements in an order of its own, so they are sorted before they become intervals again.
 */
#include "cni-plugin/nft/elements.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

#define KEY_MAX 24
#define ELEMENTS_MAX (16 * 1024)
#define ELEMENT_MAX 512 /* an interval's two, or a key and a verdict with a chain name of 255, with all their headers */

static void put_one(struct nlmsghdr *message, const void *key, size_t key_size, bool end, const char *target)
{
	struct nlattr *element = mnl_attr_nest_start(message, NFTA_LIST_ELEM);

	if (end)
		mnl_attr_put_u32(message, NFTA_SET_ELEM_FLAGS, htonl(NFT_SET_ELEM_INTERVAL_END));
	struct nlattr *nest = mnl_attr_nest_start(message, NFTA_SET_ELEM_KEY);
	mnl_attr_put(message, NFTA_DATA_VALUE, key_size, key);
	mnl_attr_nest_end(message, nest);
	if (target) {
		struct nlattr *data = mnl_attr_nest_start(message, NFTA_SET_ELEM_DATA);
		struct nlattr *verdict = mnl_attr_nest_start(message, NFTA_DATA_VERDICT);
		mnl_attr_put_u32(message, NFTA_VERDICT_CODE, htonl((uint32_t)NFT_GOTO));
		mnl_attr_put_strz(message, NFTA_VERDICT_CHAIN, target);
		mnl_attr_nest_end(message, verdict);
		mnl_attr_nest_end(message, data);
	}
	mnl_attr_nest_end(message, element);
}

/* The key after (or before) this one in network byte order; false if there is none. */
static bool step_key(uint8_t *key, size_t n, bool up)
{
	while (n-- > 0) {
		uint8_t was = key[n];
		key[n] = (uint8_t)(up ? was + 1 : was - 1);
		if (was != (up ? 0xff : 0))
			return true;
	}
	return false;
}

static void put_interval(struct nlmsghdr *message, const uint8_t *element, size_t key_size)
{
	uint8_t after[KEY_MAX];

	put_one(message, element, key_size, false, NULL);
	memcpy(after, element + key_size, key_size);
	if (step_key(after, key_size, true))
		put_one(message, after, key_size, true, NULL);
}

static void put_element(struct nlmsghdr *message, const struct ruleset_set *set, const uint8_t *element, bool with_target)
{
	const char *target = NULL;

	if (set->interval) {
		put_interval(message, element, ruleset_key_size(set->key));
		return;
	}
	if (set->map && with_target) {
		ptrdiff_t at = ruleset_element_find(set, element);
		target = at >= 0 ? set->targets[at] : NULL;
	}
	put_one(message, element, ruleset_key_size(set->key), false, target);
}

static struct nlattr *put_list_start(struct nlmsghdr *message, const char *table, const char *set)
{
	mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_TABLE, table);
	mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_SET, set);
	return mnl_attr_nest_start(message, NFTA_SET_ELEM_LIST_ELEMENTS);
}

void nft_elements_put_key(struct nlmsghdr *message, const struct ruleset_set *set, const void *element)
{
	struct nlattr *list = put_list_start(message, RULESET_TABLE, set->name);

	put_element(message, set, element, false);
	mnl_attr_nest_end(message, list);
}

static void print_element(const struct ruleset_set *set, const uint8_t *element, char text[static INET6_ADDRSTRLEN])
{
	uint32_t index;
	uint16_t port;

	switch (set->key) {
	case RULESET_KEY_IPV4:
	case RULESET_KEY_IPV4_PORT:
		inet_ntop(AF_INET, element, text, INET6_ADDRSTRLEN);
		return;
	case RULESET_KEY_IPV6:
	case RULESET_KEY_IPV6_PORT:
		inet_ntop(AF_INET6, element, text, INET6_ADDRSTRLEN);
		return;
	case RULESET_KEY_PORT:
		memcpy(&port, element, sizeof(port));
		snprintf(text, INET6_ADDRSTRLEN, "%u", ntohs(port));
		return;
	case RULESET_KEY_IIF_MAC:
	case RULESET_KEY_IIF_IPV4:
	case RULESET_KEY_IIF_IPV6:
		memcpy(&index, element, sizeof(index));
		snprintf(text, INET6_ADDRSTRLEN, "interface %" PRIu32, index);
		return;
	case RULESET_KEY_COUNT:
		break;
	}
	text[0] = '\0';
}

size_t nft_elements_step(struct nft_transaction *tx, bool add, const struct ruleset_set *set, const struct ruleset_elements *list,
			 size_t from)
{
	const uint8_t *at = list->bytes + from * set->stride;
	size_t left = list->n - from, n = 0;
	size_t room = left < ELEMENTS_MAX / ELEMENT_MAX ? left * ELEMENT_MAX : ELEMENTS_MAX;
	char first[INET6_ADDRSTRLEN];

	print_element(set, at, first);
	struct nlmsghdr *message = nft_transaction_step(
		tx, add ? NFT_MSG_NEWSETELEM : NFT_MSG_DELSETELEM, add ? NLM_F_CREATE : 0, room + 2 * ELEMENT_MAX, "%s %s of %s \"%s\"",
		left == 1 ? "element" : "elements from", first, set->map ? "map" : "set", set->name);
	if (!message)
		return left;
	struct nlattr *elements = put_list_start(message, tx->table, set->name);
	do
		put_element(message, set, at + n++ * set->stride, add);
	while (n < left && message->nlmsg_len <= room + ELEMENT_MAX);
	mnl_attr_nest_end(message, elements);
	nft_transaction_put(tx, message);
	return n;
}

void nft_elements_reader_free(struct nft_elements_reader *reader)
{
	buf_free(&reader->records);
	buf_free(&reader->targets);
}

/* Ends sort before starts of the same key: an interval that begins where another one ends. */
enum kind { KIND_END, KIND_START };

struct parsed {
	struct slice key;
	enum kind kind;
	char target[RULESET_NAME_MAX + 1];
};

/* Any verdict but goto is not ours; no chain has this name, so the difference will put it right. */
#define FOREIGN_TARGET "?"

static void parse_target(const struct nlattr *data, struct parsed *ret)
{
	const struct nlattr *verdict, *attribute;
	uint32_t code = 0;

	mnl_attr_for_each_nested(verdict, data) {
		if (mnl_attr_get_type(verdict) != NFTA_DATA_VERDICT)
			continue;
		mnl_attr_for_each_nested(attribute, verdict) {
			if (mnl_attr_get_type(attribute) == NFTA_VERDICT_CODE && mnl_attr_validate(attribute, MNL_TYPE_U32) == 0)
				code = ntohl(mnl_attr_get_u32(attribute));
			if (mnl_attr_get_type(attribute) == NFTA_VERDICT_CHAIN && mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) == 0)
				snprintf(ret->target, sizeof(ret->target), "%s", mnl_attr_get_str(attribute));
		}
	}
	if ((int32_t)code != NFT_GOTO || !ret->target[0])
		snprintf(ret->target, sizeof(ret->target), FOREIGN_TARGET);
}

static void parse_element(const struct nlattr *element, struct parsed *ret)
{
	const struct nlattr *attribute, *value;

	*ret = (struct parsed){ .kind = KIND_START };
	mnl_attr_for_each_nested(attribute, element) {
		uint16_t type = mnl_attr_get_type(attribute);
		if (type == NFTA_SET_ELEM_FLAGS && mnl_attr_validate(attribute, MNL_TYPE_U32) == 0 &&
		    (ntohl(mnl_attr_get_u32(attribute)) & NFT_SET_ELEM_INTERVAL_END))
			ret->kind = KIND_END;
		if (type == NFTA_SET_ELEM_DATA)
			parse_target(attribute, ret);
		if (type != NFTA_SET_ELEM_KEY)
			continue;
		mnl_attr_for_each_nested(value, attribute)
			if (mnl_attr_get_type(value) == NFTA_DATA_VALUE)
				ret->key = slice_from(mnl_attr_get_payload(value), mnl_attr_get_payload_len(value));
	}
}

static int take_element(struct nft_elements_reader *reader, const struct nlattr *element, struct error *err)
{
	struct parsed parsed;

	parse_element(element, &parsed);
	if (parsed.key.n != reader->key_size)
		return error_set(err, EPROTO, "the kernel has an element of %zu bytes in a set of keys of %zu", parsed.key.n,
				 reader->key_size);
	uint32_t offset = (uint32_t)reader->targets.n;
	buf_slice(&reader->records, parsed.key);
	buf_byte(&reader->records, (uint8_t)parsed.kind);
	buf_append(&reader->records, &offset, sizeof(offset));
	if (reader->map)
		buf_append(&reader->targets, parsed.target, strlen(parsed.target) + 1);
	return 0;
}

int nft_elements_take(struct nft_elements_reader *reader, const struct nlmsghdr *message, struct error *err)
{
	const struct nlattr *attribute, *element;
	int r = 0;

	mnl_attr_for_each(attribute, message, sizeof(struct nfgenmsg)) {
		if (mnl_attr_get_type(attribute) != NFTA_SET_ELEM_LIST_ELEMENTS)
			continue;
		mnl_attr_for_each_nested(element, attribute) {
			r = take_element(reader, element, err);
			if (r < 0)
				return r;
		}
	}
	r = buf_check(&reader->records, "elements of a set", err);
	return r < 0 ? r : buf_check(&reader->targets, "targets of a map", err);
}

static int compare_records(const void *a, const void *b, void *size)
{
	return memcmp(a, b, *(const size_t *)size);
}

struct open_interval {
	bool open;
	uint8_t bounds[2 * KEY_MAX];
};

/* Closes before `key`, or at the top (NULL). */
static int close_interval(struct open_interval *interval, struct ruleset_set *set, const uint8_t *key, struct error *err)
{
	size_t key_size = ruleset_key_size(set->key);
	uint8_t *last = interval->bounds + key_size;

	if (!interval->open)
		return 0;
	interval->open = false;
	memset(last, 0xff, key_size);
	if (key) {
		memcpy(last, key, key_size);
		step_key(last, key_size, false);
	}
	return ruleset_element_add(set, interval->bounds, NULL, err);
}

static int finish_intervals(const struct nft_elements_reader *reader, size_t record_size, struct ruleset_set *set, struct error *err)
{
	struct open_interval interval = {};

	for (size_t at = 0; at + record_size <= reader->records.n; at += record_size) {
		const uint8_t *record = reader->records.p + at;
		int r = close_interval(&interval, set, record, err);
		if (r < 0)
			return r;
		if (record[reader->key_size] == KIND_START) {
			interval.open = true;
			memcpy(interval.bounds, record, reader->key_size);
		}
	}
	return close_interval(&interval, set, NULL, err);
}

static int finish_singles(const struct nft_elements_reader *reader, size_t record_size, struct ruleset_set *set, struct error *err)
{
	for (size_t at = 0; at + record_size <= reader->records.n; at += record_size) {
		const uint8_t *record = reader->records.p + at;
		const char *target = NULL;
		uint32_t offset;
		if (set->map) {
			memcpy(&offset, record + reader->key_size + 1, sizeof(offset));
			target = (const char *)reader->targets.p + offset;
		}
		int r = ruleset_element_add(set, record, target, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/*
 * A hash set grows its table in the background, and a dump that goes on meanwhile walks it in another order: it leaves elements out, and,
 * since the kernel counts how far it was, gives as many others twice. No generation changes. So a duplicate means: read again.
 */
static bool has_duplicate(const struct nft_elements_reader *reader, size_t record_size)
{
	for (size_t at = record_size; at + record_size <= reader->records.n; at += record_size)
		if (memcmp(reader->records.p + at - record_size, reader->records.p + at, reader->key_size) == 0)
			return true;
	return false;
}

int nft_elements_finish(struct nft_elements_reader *reader, struct ruleset_set *set, struct error *err)
{
	size_t compared = reader->key_size + 1;
	size_t record_size = compared + sizeof(uint32_t);

	if (reader->records.n == 0)
		return 0;
	/* In order, each addition goes to the end of the set's array. */
	qsort_r(reader->records.p, reader->records.n / record_size, record_size, compare_records, &compared);
	if (set->interval)
		return finish_intervals(reader, record_size, set, err);
	if (has_duplicate(reader, record_size))
		return error_set(err, EAGAIN, "the kernel resized it while it was read");
	return finish_singles(reader, record_size, set, err);
}
