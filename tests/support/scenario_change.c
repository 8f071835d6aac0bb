// SPDX-License-Identifier: Apache-2.0
#include "tests/support/scenario_change.h"

#include <string.h>

#include "common/base/array.h"

static bool is_same(const struct kube_object *a, const struct kube_object *b)
{
	return a->kind == b->kind && strcmp(a->name, b->name) == 0 && strcmp(a->namespace, b->namespace) == 0;
}

int scenario_object_put(struct scenario *scenario, struct kube_object *object, struct kube_object **ret_before, struct error *err)
{
	size_t i = 0;

	while (i < scenario->n_objects && !is_same(scenario->objects[i], object))
		i++;
	if (i < scenario->n_objects) {
		*ret_before = scenario->objects[i];
		scenario->objects[i] = object;
		return 0;
	}
	if (!array_room((void **)&scenario->objects, i, &scenario->objects_capacity, sizeof(*scenario->objects)))
		return error_nomem(err);
	scenario->objects[scenario->n_objects++] = object;
	*ret_before = NULL;
	return 0;
}

struct kube_object *scenario_object_take(struct scenario *scenario, size_t i)
{
	struct kube_object *object = scenario->objects[i];

	scenario->objects[i] = scenario->objects[--scenario->n_objects];
	return object;
}

struct policy_endpoint scenario_endpoint_take(struct scenario *scenario, size_t i)
{
	struct policy_endpoint endpoint = scenario->endpoints[i];

	memmove(&scenario->endpoints[i], &scenario->endpoints[i + 1], (scenario->n_endpoints - i - 1) * sizeof(endpoint));
	scenario->n_endpoints--;
	return endpoint;
}

ptrdiff_t scenario_endpoint_find(const struct scenario *scenario, const char *id)
{
	for (size_t i = 0; i < scenario->n_endpoints; i++) {
		if (strcmp(scenario->endpoints[i].id, id) == 0)
			return (ptrdiff_t)i;
	}
	return -1;
}

int scenario_endpoint_add(struct scenario *scenario, const struct policy_endpoint *endpoint, struct error *err)
{
	if (!array_room((void **)&scenario->endpoints, scenario->n_endpoints, &scenario->endpoints_capacity, sizeof(*endpoint)))
		return error_nomem(err);
	scenario->endpoints[scenario->n_endpoints++] = *endpoint;
	return 0;
}

bool scenario_is_endpoint(const struct scenario *scenario, const struct kube_address *address)
{
	for (size_t i = 0; i < scenario->n_endpoints; i++) {
		const struct policy_endpoint *endpoint = &scenario->endpoints[i];
		for (size_t j = 0; j < endpoint->n_addresses; j++) {
			if (kube_address_equals(&endpoint->addresses[j], address))
				return true;
		}
	}
	return false;
}
