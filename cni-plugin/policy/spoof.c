// SPDX-License-Identifier: Apache-2.0
/*
 * One base chain per interface, with one rule, and everything else shared: a pod that comes costs its chain, that rule and an element per
 * address. (One base chain for all of them would cost less still, but a chain can get another device since kernel 6.4 only.)
 *
 * An interface that may send anything has a base chain too, which accepts: an agent that starts finds in the kernel what was decided
 * about each pod, and neither opens nor closes anything before it has heard of the namespaces.
 */
#include "cni-plugin/policy/spoof_internal.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "common/base/array.h"

/* Before everything that others may have on the hook, such as a flow table, which would pass packets by what comes later. */
#define PRIORITY (-300)
#define CHAIN_RULES_MAX 24
#define KEY_MAX 20

static const struct {
	const char *reason, *counter; /* the counter's name is the log's prefix, too */
} reasons[SPOOF_REASONS] = {
	[SPOOF_MAC] = { "mac", "spoofed-mac" },
	[SPOOF_ADDRESS] = { "address", "spoofed-address" },
	[SPOOF_ARP] = { "arp", "spoofed-arp" },
	[SPOOF_NEIGHBOUR] = { "neighbour", "spoofed-neighbour" },
	[SPOOF_ROUTER] = { "router", "spoofed-router" },
	[SPOOF_DHCP] = { "dhcp", "spoofed-dhcp" },
	[SPOOF_PROTOCOL] = { "protocol", "spoofed-protocol" },
};

static const struct {
	const char *name;
	enum ruleset_key key;
} sets[] = {
	{ SPOOF_MACS, RULESET_KEY_IIF_MAC },
	{ SPOOF_IPV4, RULESET_KEY_IIF_IPV4 },
	{ SPOOF_IPV6, RULESET_KEY_IIF_IPV6 },
};

const char *spoof_reason_name(enum spoof_reason reason)
{
	return reasons[reason].reason;
}

const struct ruleset_counter *spoof_counter(const struct ruleset *ruleset, enum spoof_reason reason)
{
	return ruleset_counter_find(ruleset, reasons[reason].counter);
}

bool spoof_recognize(const char *prefix, enum spoof_reason *ret)
{
	for (size_t i = 0; i < SPOOF_REASONS; i++) {
		if (strcmp(prefix, reasons[i].counter) != 0)
			continue;
		*ret = (enum spoof_reason)i;
		return true;
	}
	return false;
}

static bool copy(char **ret, const char *text)
{
	*ret = strdup(text);
	return *ret;
}

static bool build_rule(const struct spoof_rule *from, struct ruleset_rule *ret)
{
	bool ok = true;

	*ret = (struct ruleset_rule){ .n_matches = from->n_matches, .verdict = from->verdict };
	memcpy(ret->matches, from->matches, sizeof(ret->matches));
	for (size_t i = 0; i < from->n_matches; i++)
		if (from->matches[i].set)
			ok &= copy(&ret->matches[i].set, from->matches[i].set);
	if (from->verdict == RULESET_GOTO)
		ok &= copy(&ret->target, from->target);
	if (from->verdict == RULESET_DROP)
		ok &= copy(&ret->counter, reasons[from->reason].counter);
	return ok;
}

/* Before the drop, since a limit that is reached ends its rule. */
static bool build_log(const struct spoof_rule *from, const struct ruleset_log *log, struct ruleset_rule *ret)
{
	struct spoof_rule rule = *from;

	rule.verdict = RULESET_CONTINUE;
	bool ok = build_rule(&rule, ret);
	ret->log = *log;
	return copy(&ret->log_prefix, reasons[from->reason].counter) && ok;
}

/* The chain whose first rule is at `from`; returns through ret_n how many of the table are its own. */
static int put_chain(struct ruleset *ruleset, const struct ruleset_log *log, size_t from, size_t *ret_n, struct error *err)
{
	const char *name = spoof_rules[from].chain;
	struct ruleset_rule rules[CHAIN_RULES_MAX];
	bool ok = true;
	size_t n = 0, at = from;

	for (; at < spoof_n_rules && n + 2 <= CHAIN_RULES_MAX && strcmp(spoof_rules[at].chain, name) == 0; at++) {
		if (spoof_rules[at].verdict == RULESET_DROP && log->rate > 0)
			ok &= build_log(&spoof_rules[at], log, &rules[n++]);
		ok &= build_rule(&spoof_rules[at], &rules[n++]);
	}
	*ret_n = at - from;
	if (ok)
		return ruleset_chain_put(ruleset, name, RULESET_NO_HOOK, 0, "", rules, n, err);
	for (size_t i = 0; i < n; i++)
		ruleset_rule_clear(&rules[i]);
	return error_nomem(err);
}

int spoof_skeleton(struct ruleset *ruleset, const struct ruleset_log *log, struct error *err)
{
	struct ruleset_set *unused;
	size_t n;
	int r = 0;

	for (size_t i = 0; i < ELEMENTS_OF(reasons) && r == 0; i++)
		r = ruleset_counter_add(ruleset, reasons[i].counter, err);
	for (size_t i = 0; i < ELEMENTS_OF(sets) && r == 0; i++)
		r = ruleset_set_add(ruleset, sets[i].name, sets[i].key, false, false, "", &unused, err);
	for (size_t i = 0; i < spoof_n_rules && r == 0; i += n)
		r = put_chain(ruleset, log, i, &n, err);
	return r;
}

/* A name for ever: one chain for another on the same interface would be two for the kernel, with a gap between them (nft/interim.c). */
struct device_chain {
	char name[IF_NAMESIZE + 8];
};

static struct device_chain chain_of(const char *device)
{
	struct device_chain chain;

	snprintf(chain.name, sizeof(chain.name), "from-%.*s", IF_NAMESIZE - 1, device);
	return chain;
}

static int build_device_rule(bool trusted, struct ruleset_rule *ret, struct error *err)
{
	*ret = (struct ruleset_rule){ .verdict = trusted ? RULESET_ACCEPT : RULESET_GOTO };
	return trusted || copy(&ret->target, SPOOF_FIRST_CHAIN) ? 0 : error_nomem(err);
}

static int put_device(struct ruleset *ruleset, const struct spoof_sender *sender, struct error *err)
{
	struct device_chain chain = chain_of(sender->device);
	struct ruleset_rule rule;
	int r = build_device_rule(sender->trusted, &rule, err);

	return r < 0 ? r : ruleset_ingress_put(ruleset, chain.name, sender->device, PRIORITY, sender->pod, &rule, 1, err);
}

static int change(struct ruleset *ruleset, const char *name, bool put, unsigned index, const void *what, size_t n, struct error *err)
{
	struct ruleset_set *set = ruleset_set_find(ruleset, name);
	const uint32_t interface = index;
	uint8_t key[KEY_MAX] = {};

	if (!set)
		return error_set(err, EINVAL, "set \"%s\" is not there", name);
	memcpy(key, &interface, sizeof(interface));
	memcpy(key + sizeof(interface), what, n);
	return put ? ruleset_element_add(set, key, NULL, err) : ruleset_element_remove(set, key, err);
}

static int change_all(struct ruleset *ruleset, const struct spoof_sender *sender, bool put, struct error *err)
{
	int r = change(ruleset, SPOOF_MACS, put, sender->index, sender->mac, sizeof(sender->mac), err);

	for (size_t i = 0; i < sender->n_addresses && r == 0; i++) {
		const struct kube_address *address = &sender->addresses[i];
		bool v4 = address->family == AF_INET;

		r = change(ruleset, v4 ? SPOOF_IPV4 : SPOOF_IPV6, put, sender->index, address->bytes, v4 ? 4 : 16, err);
	}
	return r;
}

int spoof_put(struct ruleset *ruleset, const struct spoof_sender *sender, struct error *err)
{
	int r = change_all(ruleset, sender, true, err);

	return r < 0 ? r : put_device(ruleset, sender, err);
}

int spoof_remove(struct ruleset *ruleset, const struct spoof_sender *sender, struct error *err)
{
	struct device_chain chain = chain_of(sender->device);

	ruleset_chain_remove(ruleset, chain.name);
	return change_all(ruleset, sender, false, err);
}

int spoof_trusts(const struct ruleset *ruleset, const char *device, bool *ret, struct error *err)
{
	struct device_chain name = chain_of(device);
	const struct ruleset_chain *chain = ruleset_chain_find(ruleset, name.name);
	char fingerprint[sizeof(chain->fingerprint)];
	struct ruleset_rule rule;
	int r = build_device_rule(true, &rule, err);

	if (r == 0)
		r = ruleset_fingerprint(RULESET_HOOK_INGRESS, PRIORITY, &rule, 1, fingerprint, err);
	if (r == 0)
		*ret = chain && strcmp(chain->fingerprint, fingerprint) == 0;
	return r;
}
