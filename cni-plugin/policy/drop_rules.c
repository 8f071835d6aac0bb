// SPDX-License-Identifier: Apache-2.0
/*
 * How a chain ends that drops:
 *
 *	ct direction reply   limit  log "dropped-… answer"
 *	ct direction reply   counter  drop
 *	                     limit  log "dropped-…"
 *	                     counter  drop
 *
 * A reader of the log sees one packet. Its header says who opened the connection only if it is known whether the packet is an answer, so
 * answers are told apart here; no kernel is needed that can send the connection with the packet (NFULA_CT). Each rule has a limit of its
 * own: a pod that is dropped all the time hides no pod of other policies.
 */
#include <stdio.h>
#include <string.h>

#include "cni-plugin/policy/engine_internal.h"

const struct policy_drop_kind policy_drops[POLICY_DROP_COUNT] = {
	[POLICY_DROP_EGRESS] = { "dropped-policy-egress", "policy", "egress" },
	[POLICY_DROP_INGRESS] = { "dropped-policy-ingress", "policy", "ingress" },
	[POLICY_DROP_QUARANTINE] = { "dropped-quarantine", "quarantine", "any" },
};

static struct ruleset_rule rule_for(bool answer, enum ruleset_verdict verdict)
{
	return (struct ruleset_rule){
		.matches = { { .type = RULESET_ANSWER } },
		.n_matches = answer,
		.verdict = verdict,
	};
}

static bool put_log(const struct policy_drop_kind *kind, const struct ruleset_log *log, bool answer, struct ruleset_rule *rule)
{
	char prefix[64];

	snprintf(prefix, sizeof(prefix), "%s%s", kind->counter, answer ? POLICY_DROP_ANSWER : "");
	*rule = rule_for(answer, RULESET_CONTINUE);
	rule->log = *log;
	rule->log_prefix = strdup(prefix);
	return rule->log_prefix;
}

static bool put_drop(const struct policy_drop_kind *kind, bool answer, struct ruleset_rule *rule)
{
	*rule = rule_for(answer, RULESET_DROP);
	rule->counter = strdup(kind->counter);
	return rule->counter;
}

int policy_drop_rules(enum policy_drop drop, const struct ruleset_log *log, struct ruleset_rule *rules, size_t *ret_n, struct error *err)
{
	const struct policy_drop_kind *kind = &policy_drops[drop];
	bool ok = true;
	size_t n = 0;

	for (int answer = 1; answer >= 0 && log->rate > 0; answer--) {
		ok &= put_log(kind, log, answer, &rules[n++]);
		ok &= put_drop(kind, answer, &rules[n++]);
	}
	if (n == 0)
		ok = put_drop(kind, false, &rules[n++]);
	if (ok) {
		*ret_n = n;
		return 0;
	}
	while (n > 0)
		ruleset_rule_clear(&rules[--n]);
	return error_nomem(err);
}
