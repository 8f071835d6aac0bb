// SPDX-License-Identifier: Apache-2.0
/* Interval sets: ipBlocks and lists of ports. Their name is the hash of what is in them, so they are shared and never change. */
#include <stdio.h>
#include <string.h>

#include "cni-plugin/policy/engine_internal.h"

#define CONTENT_MAX (16u * 1024 * 1024)

void fixed_set_free(struct fixed_set *set)
{
	if (!set)
		return;
	free(set->name);
	free(set);
}
DEFINE_CLEANUP(struct fixed_set *, fixed_set_free);

static int content_of(const struct intervals *intervals, size_t key_size, struct buf *out, struct error *err)
{
	for (size_t i = 0; i < intervals->n; i++) {
		uint8_t *element = buf_reserve(out, 2 * key_size);

		if (!element)
			break;
		interval_bytes(intervals->items[i].first, element, key_size);
		interval_bytes(intervals->items[i].last, element + key_size, key_size);
		buf_commit(out, 2 * key_size);
	}
	return buf_check(out, "interval set", err);
}

static int fixed_set_new(struct policy_engine *engine, const char *name, enum ruleset_key key, struct slice content, struct fixed_set **ret,
			 struct error *err)
{
	_cleanup_(fixed_set_freep) struct fixed_set *set = calloc(1, sizeof(*set));
	struct ruleset_set *elements;

	if (!set || !(set->name = strdup(name)))
		return error_nomem(err);
	int r = ruleset_set_add(engine->ruleset, name, key, true, false, "", &elements, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < content.n && r == 0; i += elements->stride)
		r = ruleset_element_add(elements, content.p + i, NULL, err);
	if (r < 0)
		return r;
	if (!named_put(&engine->fixed_sets, set))
		return error_nomem(err);
	*ret = TAKE_PTR(set);
	return 0;
}

static int acquire(struct policy_engine *engine, const char *prefix, enum ruleset_key key, const struct intervals *intervals,
		   struct fixed_set **ret, struct error *err)
{
	_cleanup_(buf_free) struct buf content = BUF_MAX(CONTENT_MAX);
	char hex[FINGERPRINT_SIZE], name[64];
	int r = content_of(intervals, ruleset_key_size(key), &content, err);

	if (r == 0)
		r = fingerprint_hex(buf_view(&content), hex, err);
	if (r < 0)
		return r;
	snprintf(name, sizeof(name), "%s-%s", prefix, hex);
	struct fixed_set *set = named_get(&engine->fixed_sets, name);
	if (!set)
		r = fixed_set_new(engine, name, key, buf_view(&content), &set, err);
	if (r < 0)
		return r;
	set->users++;
	*ret = set;
	return 0;
}

int block_set_acquire(struct policy_engine *engine, const struct intervals *blocks, enum policy_family family, struct fixed_set **ret,
		      struct error *err)
{
	if (family == POLICY_IPV4)
		return acquire(engine, "blocks4", RULESET_KEY_IPV4, blocks, ret, err);
	return acquire(engine, "blocks6", RULESET_KEY_IPV6, blocks, ret, err);
}

int port_set_acquire(struct policy_engine *engine, const struct intervals *ports, struct fixed_set **ret, struct error *err)
{
	return acquire(engine, "ports", RULESET_KEY_PORT, ports, ret, err);
}

void fixed_set_release(struct policy_engine *engine, struct fixed_set *set)
{
	if (--set->users > 0)
		return;
	ruleset_set_remove(engine->ruleset, set->name);
	named_remove(&engine->fixed_sets, set->name);
	fixed_set_free(set);
}
