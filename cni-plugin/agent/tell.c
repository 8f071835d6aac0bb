// SPDX-License-Identifier: Apache-2.0
/*
 * A policy that cannot be enforced is told of at the policy itself, for whoever wrote it may not be allowed to look at a node. Every node
 * says the same, which makes one event; the API server forgets events after an hour, so it is said again before.
 */
#include <stdio.h>

#include "cni-plugin/agent/agent.h"
#include "common/base/log.h"

#define TELL_AGAIN_MS (30 * 60 * 1000)

static int tell(void *context, const struct kube_object *policy, const char *reason)
{
	struct agent *agent = context;
	char message[ERROR_MESSAGE_MAX + 256];

	snprintf(message, sizeof(message),
		 "Holdfast cannot enforce this policy, and isolates the pods that it selects until it is corrected: %s", reason);
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
		tell(agent, after, after->policy.invalid);
}

void tell_all(struct agent *agent)
{
	if (agent->source && enforcer_is_live(agent->enforcer))
		policy_engine_each_invalid(enforcer_engine(agent->enforcer), tell, agent);
}

static int log_refused(void *context, const struct kube_object *policy, const char *reason)
{
	if (!policy->policy.invalid) /* the source has logged those */
		log_warn("policy refused", "namespace", policy->namespace, "name", policy->name, "reason", reason, "consequence",
			 "the pods that it selects are isolated");
	return 0;
}

void tell_refusals(struct agent *agent)
{
	const struct policy_engine *engine = enforcer_engine(agent->enforcer);

	if (!engine || policy_engine_refusals(engine) == agent->refusals)
		return;
	agent->refusals = policy_engine_refusals(engine);
	policy_engine_each_invalid(engine, log_refused, NULL);
	tell_all(agent);
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
