// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cni-plugin/agent/cni_request.h"
#include "cni-plugin/agent/diff.h"
#include "common/base/show.h"

#define NAME_MAX_BYTES 512

static int add_manifest(struct diff *diff, struct error *err)
{
	for (size_t i = 0; i < diff->manifest.n; i++) {
		const struct kube_object *object = diff->manifest.items[i].object;

		if (object->kind != KUBE_NETWORK_POLICY)
			continue;
		if (object->policy.invalid)
			return error_set(err, EINVAL, "NetworkPolicy %s/%s cannot be applied: %s", object->namespace, object->name,
					 object->policy.invalid);
		diff->changes[diff->n_changes++] = (struct policy_change){ object->namespace, object->name, object };
	}
	return 0;
}

/* The names are the store's: what is deleted must be there. */
static int add_deletion(struct diff *diff, struct slice text, struct error *err)
{
	char name[NAME_MAX_BYTES];

	snprintf(name, sizeof(name), SLICE_FORMAT, SLICE_ARGS(text));
	char *slash = strchr(name, '/');
	if (!slash || text.n >= sizeof(name))
		return error_set(err, EINVAL, "--delete: \"%s\" is no namespace/policy", SHOW(text));
	*slash = 0;
	const struct kube_object *policy = kube_store_get(diff->agent->store, KUBE_NETWORK_POLICY, name, slash + 1);
	if (!policy)
		return error_set(err, ENOENT, "--delete: there is no NetworkPolicy \"%s\"", SHOW(text));
	diff->changes[diff->n_changes++] = (struct policy_change){ .namespace = policy->namespace, .name = policy->name };
	return 0;
}

static struct slice next_name(struct slice *list)
{
	const uint8_t *comma = memchr(list->p, ',', list->n);
	struct slice name = slice_from(list->p, comma ? (size_t)(comma - list->p) : list->n);
	size_t used = name.n + (comma != NULL);

	*list = slice_from(list->p + used, list->n - used);
	return name;
}

static int add_deletions(struct diff *diff, struct slice list, struct error *err)
{
	int r = 0;

	while (list.n > 0 && r == 0)
		r = add_deletion(diff, next_name(&list), err);
	return r;
}

static int check_twice(const struct diff *diff, struct error *err)
{
	for (size_t i = 1; i < diff->n_changes; i++) {
		const struct policy_change *change = &diff->changes[i];

		if (policy_change_compare(change - 1, change) == 0)
			return error_set(err, EINVAL, "NetworkPolicy %s/%s is given twice", change->namespace, change->name);
	}
	return 0;
}

/* The deleted policies' names must outlive the store's objects: they are copied. */
static int own_names(struct diff *diff, struct error *err)
{
	for (size_t i = 0; i < diff->n_changes; i++) {
		struct policy_change *change = &diff->changes[i];

		if (change->after)
			continue;
		struct kube_object *copy = kube_object_refused_policy(change->namespace, change->name, "deleted");
		if (!copy)
			return error_nomem(err);
		change->namespace = copy->namespace;
		change->name = copy->name;
		diff->manifest.items[diff->manifest.n++] = (struct manifest_item){ .object = copy };
	}
	return 0;
}

static size_t count_names(struct slice list)
{
	size_t n = 0;

	for (; list.n > 0; n++)
		next_name(&list);
	return n;
}

static int make_room(struct diff *diff, size_t more, struct error *err)
{
	size_t n = diff->manifest.n + more;
	struct manifest_item *items = reallocarray(diff->manifest.items, n ? n : 1, sizeof(*items));

	if (items)
		diff->manifest.items = items;
	diff->manifest.capacity = n;
	diff->changes = calloc(n ? n : 1, sizeof(*diff->changes));
	return items && diff->changes ? 0 : error_nomem(err);
}

int diff_read(struct diff *diff, struct slice yaml, const char *arguments, struct error *err)
{
	struct slice deletions = { 0 };

	int r = cni_args_get(arguments, "DELETE", &deletions, err);
	if (r >= 0 && yaml.n > 0)
		r = manifest_read(yaml, false, &diff->manifest, err);
	if (r >= 0)
		r = make_room(diff, count_names(deletions), err);
	if (r == 0)
		r = add_manifest(diff, err);
	if (r == 0)
		r = add_deletions(diff, deletions, err);
	if (r < 0)
		return r;
	if (diff->n_changes == 0)
		return error_set(err, EINVAL, "there is no NetworkPolicy in what was given: nothing can be compared");
	qsort(diff->changes, diff->n_changes, sizeof(*diff->changes), policy_change_compare);
	r = check_twice(diff, err);
	if (r == 0)
		r = own_names(diff, err);
	diff->before = (struct policy_view){ .engine = enforcer_engine(diff->agent->enforcer) };
	diff->after = (struct policy_view){ diff->before.engine, diff->changes, diff->n_changes };
	return r;
}
