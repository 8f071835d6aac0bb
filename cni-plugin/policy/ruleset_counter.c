// SPDX-License-Identifier: Apache-2.0
/* Named counters: made before the rules that name them, and gone after these. Nothing of one can change but whether it is there. */
#include "cni-plugin/policy/ruleset_internal.h"

#include <string.h>

void ruleset_counter_free(struct ruleset_counter *counter)
{
	if (!counter)
		return;
	free(counter->name);
	free(counter);
}
DEFINE_CLEANUP(struct ruleset_counter *, ruleset_counter_free);

static int counter_new(struct ruleset *ruleset, const char *name, size_t at, struct error *err)
{
	_cleanup_(ruleset_counter_freep) struct ruleset_counter *counter = NULL;
	size_t n = ruleset->counters.n + 1;

	if (!named_reserve(&ruleset->counters, n) || !named_reserve(&ruleset->pending_counters, n))
		return error_nomem(err);
	counter = calloc(1, sizeof(*counter));
	if (!counter || !(counter->name = strdup(name)))
		return error_nomem(err);
	named_insert(&ruleset->counters, at, counter);
	ruleset_mark_counter(ruleset, TAKE_PTR(counter));
	return 0;
}

int ruleset_counter_add(struct ruleset *ruleset, const char *name, struct error *err)
{
	size_t at;
	int r = ruleset_check_name(name, err);

	if (r < 0)
		return r;
	if (!named_find(&ruleset->counters, name, &at))
		return counter_new(ruleset, name, at, err);
	struct ruleset_counter *counter = ruleset->counters.items[at];
	if (counter->state == RULESET_DOOMED)
		counter->state = RULESET_SAME;
	return 0;
}

struct ruleset_counter *ruleset_counter_find(const struct ruleset *ruleset, const char *name)
{
	struct ruleset_counter *counter = named_get(&ruleset->counters, name);

	return counter && counter->state != RULESET_DOOMED ? counter : NULL;
}

void ruleset_counter_remove(struct ruleset *ruleset, const char *name)
{
	struct ruleset_counter *counter = ruleset_counter_find(ruleset, name);

	if (!counter)
		return;
	if (counter->state == RULESET_NEW) {
		named_remove(&ruleset->pending_counters, name);
		named_remove(&ruleset->counters, name);
		ruleset_counter_free(counter);
		return;
	}
	counter->state = RULESET_DOOMED;
	ruleset_mark_counter(ruleset, counter);
}
