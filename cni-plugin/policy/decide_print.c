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

static void print_no_rule(const struct policy_verdict *verdict, struct buf *out)
{
	buf_string(out, "denied: ");
	print_name(verdict->policy, out);
	buf_string(out, " isolates ");
	print_name(verdict->pod, out);
	buf_printf(out, " and no rule of %zu %s matches", verdict->n_policies, verdict->n_policies == 1 ? "policy" : "policies");
	if (verdict->policy->policy.invalid)
		buf_printf(out, " (it is invalid: %s)", verdict->policy->policy.invalid);
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
