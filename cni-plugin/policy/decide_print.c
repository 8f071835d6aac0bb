// SPDX-License-Identifier: Apache-2.0
#include "cni-plugin/policy/decide.h"
#include "common/base/buf.h"

static void print_name(const struct kube_object *object, struct buf *out)
{
	buf_printf(out, "%s/%s", object->namespace, object->name);
}

static void print_allowed_by(const struct policy_verdict *verdict, struct buf *out)
{
	buf_string(out, "allowed by ");
	print_name(verdict->policy, out);
	buf_printf(out, " %s[%zu]", verdict->is_ingress ? "ingress" : "egress", verdict->rule);
}

/* "shop/a", "shop/a and shop/b", "shop/a, shop/b and 7 more" */
static void print_isolating(const struct policy_verdict *verdict, struct buf *out)
{
	size_t n = verdict->n_policies < POLICY_ISOLATING_MAX ? verdict->n_policies : POLICY_ISOLATING_MAX;
	size_t more = verdict->n_policies - n;

	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			buf_string(out, i + 1 == n && !more ? " and " : ", ");
		print_name(verdict->isolating[i], out);
	}
	if (more)
		buf_printf(out, " and %zu more", more);
}

static void print_no_rule(const struct policy_verdict *verdict, struct buf *out)
{
	bool one = verdict->n_policies == 1;

	buf_string(out, "denied: ");
	print_isolating(verdict, out);
	buf_string(out, one ? " isolates " : " isolate ");
	print_name(verdict->pod, out);
	buf_printf(out, " and no rule of %s matches", one ? "it" : "theirs");
	for (size_t i = 0; i < verdict->n_policies && i < POLICY_ISOLATING_MAX; i++) {
		const struct kube_object *policy = verdict->isolating[i];

		if (verdict->refusals[i])
			buf_printf(out, " (%s/%s is invalid: %s)", policy->namespace, policy->name, verdict->refusals[i]);
	}
}

void policy_verdict_print(const struct policy_verdict *verdict, struct buf *out)
{
	switch (verdict->reason) {
	case POLICY_NOT_A_POD:
		buf_string(out, "allowed: the address belongs to no pod");
		break;
	case POLICY_NOT_ISOLATED:
		buf_string(out, "allowed: no policy isolates ");
		print_name(verdict->pod, out);
		buf_string(out, verdict->is_ingress ? " for ingress" : " for egress");
		break;
	case POLICY_OWN_NODE:
		buf_string(out, "allowed: a pod's own node always reaches it");
		break;
	case POLICY_ALLOWED_BY:
		print_allowed_by(verdict, out);
		break;
	case POLICY_NO_RULE:
		print_no_rule(verdict, out);
		break;
	case POLICY_QUARANTINED:
		buf_string(out, "denied: the pod is quarantined until its object is known");
		break;
	}
}
