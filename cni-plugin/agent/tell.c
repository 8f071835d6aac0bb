// SPDX-License-Identifier: Apache-2.0
/*
 * A policy that cannot be enforced is told of at the policy itself, for whoever wrote it may not be allowed to look at a node. Every node
 * says the same, which makes one event; the API server forgets events after an hour, so it is said again before.
 */
#include <stdio.h>

#include "cni-plugin/agent/agent.h"

#define TELL_AGAIN_MS (30 * 60 * 1000)

static int tell(void *context, const struct kube_object *policy)
{
	struct agent *agent = context;
	char message[ERROR_MESSAGE_MAX + 256];

	snprintf(message, sizeof(message),
		 "Holdfast cannot enforce this policy, and isolates the pods that it selects until it is corrected: %s",
		 policy->policy.invalid);
	const struct kube_notice notice = { .about = policy,
					    .reason = "PolicyRefused",
					    .message = message,
					    .reporter = "holdfast-net",
					    .node = agent->settings.node_name };
	kube_source_tell(agent->source, &notice);
	return 0;
}

void tell_changed(struct agent *agent, const struct kube_object *after)
{
	if (agent->source && after && after->kind == KUBE_NETWORK_POLICY && after->policy.invalid)
		tell(agent, after);
}

void tell_all(struct agent *agent)
{
	if (agent->source && enforcer_is_live(agent->enforcer))
		policy_engine_each_invalid(enforcer_engine(agent->enforcer), tell, agent);
}

static void on_timer(uv_timer_t *timer)
{
	tell_all(timer->data);
}

void tell_start(struct agent *agent)
{
	uv_timer_init(&agent->loop, &agent->tell_again);
	agent->tell_again.data = agent;
	uv_timer_start(&agent->tell_again, on_timer, TELL_AGAIN_MS, TELL_AGAIN_MS);
}
