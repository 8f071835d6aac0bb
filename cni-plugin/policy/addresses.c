// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "cni-plugin/policy/engine_internal.h"
#include "common/base/array.h"

void addresses_clear(struct addresses *list)
{
	free(list->items);
	*list = (struct addresses){};
}

bool addresses_have(const struct addresses *list, const struct kube_address *address)
{
	for (size_t i = 0; i < list->n; i++)
		if (kube_address_equals(&list->items[i], address))
			return true;
	return false;
}

int addresses_add(struct addresses *list, const struct kube_address *address, struct error *err)
{
	if (addresses_have(list, address))
		return 0;
	if (!array_room((void **)&list->items, list->n, &list->capacity, sizeof(*list->items)))
		return error_nomem(err);
	list->items[list->n++] = *address;
	return 0;
}

bool addresses_equal(const struct addresses *a, const struct addresses *b)
{
	for (size_t i = 0; i < a->n; i++)
		if (!addresses_have(b, &a->items[i]))
			return false;
	return a->n == b->n;
}

static int compare(const struct kube_address *a, const struct kube_address *b)
{
	if (a->family != b->family)
		return family_of(a) == POLICY_IPV4 ? -1 : 1;
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

static size_t first_claim(const struct policy_engine *engine, const struct kube_address *address)
{
	size_t low = 0, high = engine->n_claims;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare(&engine->claims[middle].address, address) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

int engine_claim_add(struct policy_engine *engine, const struct kube_address *address, struct pod *pod, struct error *err)
{
	if (!array_room((void **)&engine->claims, engine->n_claims, &engine->claims_capacity, sizeof(*engine->claims)))
		return error_nomem(err);
	size_t at = first_claim(engine, address);
	struct claim *claim = &engine->claims[at];
	memmove(claim + 1, claim, (engine->n_claims - at) * sizeof(*claim));
	*claim = (struct claim){ *address, pod };
	engine->n_claims++;
	return 0;
}

static bool is_claim_of(const struct policy_engine *engine, size_t at, const struct kube_address *address)
{
	return at < engine->n_claims && compare(&engine->claims[at].address, address) == 0;
}

void engine_claim_remove(struct policy_engine *engine, const struct kube_address *address, const struct pod *pod)
{
	size_t at = first_claim(engine, address);

	while (is_claim_of(engine, at, address) && engine->claims[at].pod != pod)
		at++;
	if (!is_claim_of(engine, at, address))
		return;
	engine->n_claims--;
	memmove(&engine->claims[at], &engine->claims[at + 1], (engine->n_claims - at) * sizeof(*engine->claims));
}

const struct claim *engine_claims_of(const struct policy_engine *engine, const struct kube_address *address, size_t *ret_n)
{
	size_t at = first_claim(engine, address);
	size_t n = 0;

	while (is_claim_of(engine, at + n, address))
		n++;
	*ret_n = n;
	return n > 0 ? &engine->claims[at] : NULL;
}
