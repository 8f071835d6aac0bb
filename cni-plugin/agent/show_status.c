// SPDX-License-Identifier: Apache-2.0
/* `holdfast-net status`: one screen that says whether this node is guarded, by what, and what was refused. */
#include <inttypes.h>

#include "cni-plugin/agent/show.h"
#include "common/base/when.h"

#define NAMES_MAX 16

static void print_head(struct agent *agent, struct buf *out)
{
	struct error err;

	buf_printf(out, "holdfast-net " HOLDFAST_VERSION " on node %s, up ", agent->settings.node_name);
	when_print_duration(out, (uv_now(&agent->loop) - agent->started_ms) / 1000);
	if (agent_check_ready(agent, &err) == 0)
		buf_string(out, ": ready\n");
	else
		buf_printf(out, ": NOT READY\n           %s\n", err.message);
}

struct kube_report show_report(const struct agent *agent)
{
	const struct agent_snapshot *snapshot = &agent->snapshot;
	struct kube_report report = { .decides = snapshot->decides ? &snapshot->origin : NULL, .now_ms = uv_now(&agent->loop) };

	kube_source_status(agent->source, &report.source);
	kube_snapshot_status(snapshot->writer, &report.snapshot);
	return report;
}

static void print_leaving(struct agent *agent, const struct pod_counts *pods, struct buf *out)
{
	size_t n = 0;

	buf_printf(out,
		   "\n           %zu leaving: DEL was called, nothing of them passes until their interfaces are removed:", pods->leaving);
	for (const struct attachment *at = agent->attachments.first; at && n < NAMES_MAX; at = at->next) {
		if (!at->leaving)
			continue;
		buf_printf(out, "%s%s/%s on %s for ", n++ > 0 ? ", " : "\n           ", at->namespace, at->pod, at->host_name);
		when_print_duration(out, (uv_now(&agent->loop) - at->left_ms) / 1000);
	}
}

static void print_pods(struct agent *agent, const struct policy_counts *counts, struct buf *out)
{
	struct pod_counts pods = show_count_pods(agent);

	buf_printf(out, "pods       %zu on this node: %zu judged, %zu quarantined (their objects have not come)", pods.here, pods.judged,
		   pods.quarantined);
	if (pods.adopted)
		buf_printf(out, "; %zu were here before Holdfast", pods.adopted);
	if (pods.leaving)
		print_leaving(agent, &pods, out);
	buf_printf(out, "\n           isolated: %zu for ingress, %zu for egress\n", counts->isolated_ingress, counts->isolated_egress);
	buf_printf(out, "cluster    %zu pods, %zu namespaces\n", kube_store_count(agent->store, KUBE_POD),
		   kube_store_count(agent->store, KUBE_NAMESPACE));
}

/* Pods of which we do not know by which interface they send. */
static void print_unguarded(struct agent *agent, struct buf *out)
{
	size_t n = 0;

	for (const struct attachment *at = agent->attachments.first; at && n < NAMES_MAX; at = at->next)
		if (!at->leaving && senders_state(enforcer_senders(agent->enforcer), at) == SENDERS_UNKNOWN)
			buf_printf(out, "%s%s/%s", n++ > 0 ? ", " : "           ", at->namespace, at->pod);
	buf_string(out, "\n");
}

static int print_bad_annotation(void *context, const struct kube_object *namespace)
{
	if (namespace->ns.bad_spoofing)
		buf_printf(context,
			   "           namespace %s: annotation holdfast/allow-spoofing is \"%s\", neither true nor false: it counts as "
			   "false\n",
			   namespace->name, namespace->ns.bad_spoofing);
	return 0;
}

static void print_senders(struct agent *agent, struct buf *out)
{
	struct pod_counts pods = show_count_pods(agent);

	buf_printf(out, "senders    %zu pods send only as themselves, %zu as anybody (their namespaces allow it)",
		   pods.senders[SENDERS_GUARDED], pods.senders[SENDERS_TRUSTED]);
	if (pods.senders[SENDERS_UNKNOWN]) {
		buf_printf(out, "; %zu ARE NOT GUARDED (their interface is unknown; start them anew):\n", pods.senders[SENDERS_UNKNOWN]);
		print_unguarded(agent, out);
	} else {
		buf_byte(out, '\n');
	}
	(void)!kube_store_each(agent->store, KUBE_NAMESPACE, print_bad_annotation, out);
}

static int print_invalid(void *context, const struct kube_object *policy, const char *reason)
{
	buf_printf(context, "           %s/%s is refused, what it selects is isolated: %s\n", policy->namespace, policy->name, reason);
	return 0;
}

static void print_policies(struct agent *agent, const struct policy_counts *counts, struct buf *out)
{
	buf_printf(out, "policies   %zu, of which %zu refused\n", kube_store_count(agent->store, KUBE_NETWORK_POLICY),
		   counts->invalid_policies);
	if (enforcer_is_live(agent->enforcer))
		policy_engine_each_invalid(enforcer_engine(agent->enforcer), print_invalid, out);
}

static void print_kernel(struct agent *agent, struct buf *out)
{
	const struct enforcer_stats *stats = enforcer_statistics(agent->enforcer);

	buf_printf(out, "kernel     %s; %" PRIu64 " transactions, %" PRIu64 " refused, %" PRIu64 " repairs\n",
		   stats->in_force ? "rules are in force" : "RULES ARE NOT IN FORCE", stats->transactions, stats->failed, stats->repaired);
	if (stats->last_time) {
		buf_string(out, "           last ");
		when_print_ago(out, when_seconds_since(stats->last_time));
		buf_printf(out, ": %" PRIu64 " messages, %" PRIu64 " bytes, %" PRIu64 " us\n", stats->last_messages, stats->last_bytes,
			   stats->last_us);
	}
	buf_printf(out, "           the table is %s\n",
		   enforcer_owns_table(agent->enforcer) ? "owned: no other program can change it"
							: "not owned: other programs can change it, and are found out");
	if (*stats->last_error)
		buf_printf(out, "           last error: %s\n", stats->last_error);
}

static void print_cni(struct agent *agent, struct buf *out)
{
	const struct agent_counters *counters = &agent->counters;

	buf_string(out, "cni       ");
	for (int i = 0; i < CNI_VERSION; i++)
		buf_printf(out, " %s %" PRIu64 " (%" PRIu64 " refused)%s", cni_verb_name((enum cni_verb)i), counters->requests[i],
			   counters->refused[i], i + 1 < CNI_VERSION ? "," : "\n");
	if (!counters->last_refusal_time)
		return;
	buf_string(out, "           last refusal ");
	when_print_ago(out, when_seconds_since(counters->last_refusal_time));
	buf_printf(out, ": %s\n", counters->last_refusal);
}

static void print_text(struct agent *agent, const struct policy_counts *counts, struct buf *out)
{
	const struct kube_report report = show_report(agent);

	print_head(agent, out);
	kube_report_print(&report, out);
	print_pods(agent, counts, out);
	print_senders(agent, out);
	print_policies(agent, counts, out);
	print_kernel(agent, out);
	print_cni(agent, out);
}

static int json_invalid(void *context, const struct kube_object *policy, const char *reason)
{
	struct buf *out = context;

	if (out->p[out->n - 1] == '}')
		buf_byte(out, ',');
	buf_byte(out, '{');
	buf_json_member(out, "namespace", policy->namespace);
	buf_json_member(out, "name", policy->name);
	buf_json_member(out, "reason", reason);
	buf_byte(out, '}');
	return 0;
}

static void json_pods(struct agent *agent, const struct policy_counts *counts, struct buf *out)
{
	struct pod_counts pods = show_count_pods(agent);

	buf_printf(out,
		   ",\"pods\":{\"here\":%zu,\"judged\":%zu,\"quarantined\":%zu,\"adopted\":%zu,\"leaving\":%zu,\"isolatedIngress\":%zu,"
		   "\"isolatedEgress\":%zu}",
		   pods.here, pods.judged, pods.quarantined, pods.adopted, pods.leaving, counts->isolated_ingress, counts->isolated_egress);
	buf_printf(out, ",\"senders\":{\"guarded\":%zu,\"trusted\":%zu,\"unguarded\":%zu}", pods.senders[SENDERS_GUARDED],
		   pods.senders[SENDERS_TRUSTED], pods.senders[SENDERS_UNKNOWN]);
	buf_printf(out, ",\"cluster\":{\"pods\":%zu,\"namespaces\":%zu,\"policies\":%zu},\"refusedPolicies\":[",
		   kube_store_count(agent->store, KUBE_POD), kube_store_count(agent->store, KUBE_NAMESPACE),
		   kube_store_count(agent->store, KUBE_NETWORK_POLICY));
	if (enforcer_is_live(agent->enforcer))
		policy_engine_each_invalid(enforcer_engine(agent->enforcer), json_invalid, out);
	buf_byte(out, ']');
}

static void json_kernel(struct agent *agent, struct buf *out)
{
	const struct enforcer_stats *stats = enforcer_statistics(agent->enforcer);

	buf_printf(out,
		   ",\"kernel\":{\"inForce\":%s,\"tableOwned\":%s,\"transactions\":%" PRIu64 ",\"refused\":%" PRIu64 ",\"repairs\":%" PRIu64
		   ",\"lastTime\":%" PRId64 ",\"lastMicroseconds\":%" PRIu64 ",\"lastMessages\":%" PRIu64 ",\"lastBytes\":%" PRIu64,
		   stats->in_force ? "true" : "false", enforcer_owns_table(agent->enforcer) ? "true" : "false", stats->transactions,
		   stats->failed, stats->repaired, stats->last_time, stats->last_us, stats->last_messages, stats->last_bytes);
	buf_json_member(out, "lastError", stats->last_error);
	buf_byte(out, '}');
}

static void json_cni(struct agent *agent, struct buf *out)
{
	const struct agent_counters *counters = &agent->counters;

	buf_string(out, ",\"cni\":{");
	for (int i = 0; i < CNI_VERSION; i++) {
		buf_json_key(out, cni_verb_name((enum cni_verb)i));
		buf_printf(out, "{\"requests\":%" PRIu64 ",\"refused\":%" PRIu64 "}", counters->requests[i], counters->refused[i]);
	}
	buf_json_member(out, "lastRefusal", counters->last_refusal);
	buf_byte(out, '}');
}

static void print_json(struct agent *agent, const struct policy_counts *counts, struct buf *out)
{
	const struct kube_report report = show_report(agent);
	struct error err = { 0 };
	int r = agent_check_ready(agent, &err);

	buf_string(out, "{");
	buf_json_member(out, "version", HOLDFAST_VERSION);
	buf_json_member(out, "node", agent->settings.node_name);
	buf_json_number(out, "upSeconds", (uv_now(&agent->loop) - agent->started_ms) / 1000);
	buf_json_bool(out, "ready", r == 0);
	buf_json_member(out, "notReadyReason", r == 0 ? "" : err.message);
	kube_report_print_json(&report, out);
	json_pods(agent, counts, out);
	json_kernel(agent, out);
	json_cni(agent, out);
	buf_string(out, "}\n");
}

int show_status(struct agent *agent, const char *arguments, struct buf *out, struct error *err)
{
	struct policy_counts counts = { 0 };

	if (enforcer_is_live(agent->enforcer))
		policy_engine_count(enforcer_engine(agent->enforcer), &counts);
	if (show_wants_json(arguments))
		print_json(agent, &counts, out);
	else
		print_text(agent, &counts, out);
	return 0;
}
