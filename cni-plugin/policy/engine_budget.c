// SPDX-License-Identifier: Apache-2.0
/*
 * A limit for one policy does not limit a hundred of them: what all that isolate a pod of this node come to in the kernel has a limit, too.
 * Above it the smallest go first, of equal ones by their names: whoever writes large policies takes nothing from those who write small
 * ones. What is refused depends on what is in use and on nothing else, neither the order of events nor what was refused before.
 *
 * As long as all fit, an event costs an addition. A policy that comes when they do not is refused until it is known whether it fits, so
 * that the limit holds at every moment.
 */
#include <stdlib.h>
#include <string.h>

#include "cni-plugin/policy/engine_internal.h"
#include "common/kube/limits.h"

static void refuse(struct policy_engine *engine, struct policy *policy, bool refused)
{
	if (policy->refused == refused)
		return;
	policy->refused = refused;
	engine->n_refused += refused ? 1 : -1;
	engine->refusals++;
}

static void count(struct policy_engine *engine, struct policy *policy, size_t combinations)
{
	bool more = combinations > policy->combinations;

	engine->combinations += combinations - policy->combinations;
	policy->combinations = combinations;
	if (more && engine->combinations > KUBE_NODE_COMBINATIONS_MAX)
		refuse(engine, policy, true);
}

void budget_enter(struct policy_engine *engine, struct policy *policy)
{
	count(engine, policy, policy->object->policy.combinations);
}

void budget_leave(struct policy_engine *engine, struct policy *policy)
{
	count(engine, policy, 0);
	refuse(engine, policy, false);
}

static int compare(const void *a, const void *b)
{
	const struct policy *x = *(struct policy *const *)a, *y = *(struct policy *const *)b;
	int order = strcmp(x->ns->name, y->ns->name);

	if (x->combinations != y->combinations)
		return x->combinations < y->combinations ? -1 : 1;
	return order ? order : strcmp(x->name, y->name);
}

struct queue {
	struct policy **items;
	size_t n;
};

static void queue_clear(struct queue *queue)
{
	free(queue->items);
}

/* Those that cost something, the smallest first. */
static int queue_up(const struct policy_engine *engine, struct queue *ret, struct error *err)
{
	size_t n = 0;

	for (size_t i = 0; i < engine->namespaces.n; i++)
		n += ((const struct ns *)engine->namespaces.items[i])->policies.n;
	ret->items = malloc((n + 1) * sizeof(struct policy *));
	if (!ret->items)
		return error_nomem(err);
	for (size_t i = 0; i < engine->namespaces.n; i++) {
		const struct ns *ns = engine->namespaces.items[i];

		for (size_t j = 0; j < ns->policies.n; j++) {
			struct policy *policy = ns->policies.items[j];

			if (policy->combinations > 0)
				ret->items[ret->n++] = policy;
		}
	}
	qsort(ret->items, ret->n, sizeof(struct policy *), compare);
	return 0;
}

static size_t count_fitting(const struct queue *queue)
{
	size_t n = 0, combinations = 0;

	while (n < queue->n && combinations + queue->items[n]->combinations <= KUBE_NODE_COMBINATIONS_MAX)
		combinations += queue->items[n++]->combinations;
	return n;
}

static int settle(struct policy_engine *engine, struct policy *policy, bool refused, struct error *err)
{
	if (policy->refused == refused)
		return 0;
	refuse(engine, policy, refused);
	return policy_recompile(engine, policy, err);
}

/* What no longer fits goes before what fits now comes. */
int budget_settle(struct policy_engine *engine, struct error *err)
{
	_cleanup_(queue_clear) struct queue queue = {};

	if (engine->combinations <= KUBE_NODE_COMBINATIONS_MAX && engine->n_refused == 0)
		return 0;
	int r = queue_up(engine, &queue, err);
	size_t fitting = r == 0 ? count_fitting(&queue) : 0;
	for (size_t i = fitting; i < queue.n && r == 0; i++)
		r = settle(engine, queue.items[i], true, err);
	for (size_t i = 0; i < fitting && r == 0; i++)
		r = settle(engine, queue.items[i], false, err);
	return r;
}

#define TEXT(number) #number
#define TEXT_OF(number) TEXT(number)

const char *policy_refusal(const struct policy *policy)
{
	if (policy->object->policy.invalid)
		return policy->object->policy.invalid;
	return policy->refused ? "with the smaller policies that isolate pods of this node it comes to more than " TEXT_OF(
					 KUBE_NODE_COMBINATIONS_MAX) " combinations of a selector with a named port or protocol: use "
								     "fewer selectors (with more values) or numeric ports"
			       : NULL;
}

const char *policy_engine_refusal(const struct policy_engine *engine, const struct kube_object *object)
{
	const struct ns *ns = engine->n_refused > 0 ? named_get(&engine->namespaces, object->namespace) : NULL;
	const struct policy *policy = ns ? named_get(&ns->policies, object->name) : NULL;

	return policy && policy->object == object ? policy_refusal(policy) : object->policy.invalid;
}

uint64_t policy_engine_refusals(const struct policy_engine *engine)
{
	return engine->refusals;
}
