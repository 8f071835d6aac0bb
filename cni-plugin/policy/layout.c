// SPDX-License-Identifier: Apache-2.0
/*
 * The seal is a chain without rules whose name is a hash over the names and fingerprints of all base chains and the names and types of all
 * maps. Nothing has to know what another build calls its parts: whoever removes or edits one breaks the seal. (Chains that maps
 * and rules lead to cannot be removed while they are in use; that their rules are untouched is told by their fingerprints.)
 * A second seal is that of a table to come, which an agent that died had begun to write (cni-plugin/nft/apply.c): it says nothing of this one.
 */
#include "cni-plugin/policy/layout.h"

#include <stdio.h>
#include <string.h>

#include "cni-plugin/policy/fingerprint.h"

#define SEAL_PREFIX "layout/"
#define SEAL_NAME_SIZE (sizeof(SEAL_PREFIX) + FINGERPRINT_SIZE)
#define TEXT_MAX (16u * 1024 * 1024)

static void print_parts(const struct ruleset *ruleset, struct buf *out)
{
	const struct ruleset_chain *chain = NULL;
	const struct ruleset_set *set = NULL;

	while ((chain = ruleset_next_chain(ruleset, chain)))
		if (chain->hook != RULESET_NO_HOOK && chain->state != RULESET_DOOMED)
			buf_printf(out, "chain %s %s\n", chain->name, chain->fingerprint);
	while ((set = ruleset_next_set(ruleset, set)))
		if (set->map && set->state != RULESET_DOOMED)
			buf_printf(out, "map %s %d\n", set->name, (int)set->key);
}

static int name_seal(const struct ruleset *ruleset, char name[static SEAL_NAME_SIZE], struct error *err)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(TEXT_MAX);
	char hex[FINGERPRINT_SIZE];

	print_parts(ruleset, &text);
	int r = buf_check(&text, "the layout of the table", err);
	if (r == 0)
		r = fingerprint_hex(buf_view(&text), hex, err);
	if (r == 0)
		snprintf(name, SEAL_NAME_SIZE, SEAL_PREFIX "%s", hex);
	return r;
}

static const struct ruleset_chain *find_seal(const struct ruleset *ruleset)
{
	const struct ruleset_chain *chain = NULL;

	while ((chain = ruleset_next_chain(ruleset, chain)))
		if (strncmp(chain->name, SEAL_PREFIX, strlen(SEAL_PREFIX)) == 0 && chain->state != RULESET_DOOMED)
			return chain;
	return NULL;
}

int policy_layout_seal(struct ruleset *ruleset, struct error *err)
{
	const struct ruleset_chain *old = find_seal(ruleset);
	char name[SEAL_NAME_SIZE];

	int r = name_seal(ruleset, name, err);
	if (r < 0 || (old && strcmp(old->name, name) == 0))
		return r;
	if (old)
		ruleset_chain_remove(ruleset, old->name);
	return ruleset_chain_put(ruleset, name, RULESET_NO_HOOK, 0, "this table is whole", NULL, 0, err);
}

static bool is_touched(const struct ruleset *kernel)
{
	const struct ruleset_chain *chain = NULL;

	while ((chain = ruleset_next_chain(kernel, chain)))
		if (!*chain->fingerprint)
			return true;
	return false;
}

int policy_layout_check(const struct ruleset *kernel, enum policy_layout *ret, struct error *err)
{
	char name[SEAL_NAME_SIZE];

	*ret = POLICY_LAYOUT_UNSEALED;
	if (!find_seal(kernel))
		return 0;
	int r = name_seal(kernel, name, err);
	if (r < 0)
		return r;
	*ret = ruleset_chain_find(kernel, name) && !is_touched(kernel) ? POLICY_LAYOUT_WHOLE : POLICY_LAYOUT_BROKEN;
	return 0;
}
