// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TESTS_SCENARIO_CHANGE_H
#define HOLDFAST_TESTS_SCENARIO_CHANGE_H

#include "tests/support/scenario.h"

/* A scenario that changes, object by object: for tests that live through a sequence of events. */

/* Takes ownership of `object`. `*ret_before` is what had its name, and the caller's; NULL: nothing had. */
int scenario_object_put(struct scenario *scenario, struct kube_object *object, struct kube_object **ret_before,
			struct error *err) must_check;
/* Out of the scenario, and the caller's. */
struct kube_object *scenario_object_take(struct scenario *scenario, size_t i) must_check;

/* Index, or -1. */
ptrdiff_t scenario_endpoint_find(const struct scenario *scenario, const char *id);
/* Takes ownership of its strings; its id is not there yet. The newest is the last, for the oracle as for the agent. */
int scenario_endpoint_add(struct scenario *scenario, const struct policy_endpoint *endpoint, struct error *err) must_check;
/* Out of the scenario; its strings are the caller's (scenario_endpoint_clear). */
struct policy_endpoint scenario_endpoint_take(struct scenario *scenario, size_t i) must_check;

bool scenario_is_endpoint(const struct scenario *scenario, const struct kube_address *address);

#endif
