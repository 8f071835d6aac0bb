// SPDX-License-Identifier: Apache-2.0
#include "cni-plugin/agent/agent.h"
#include "cni-plugin/agent/show.h"
#include "common/http/endpoint.h"
#include "common/http/metrics.h"

static void one(struct buf *out, const char *name, enum metric_type type, double value, const char *help)
{
	metrics_family(out, name, type, help);
	metrics_sample(out, name, value);
}

static void add_kernel(const struct agent *agent, struct buf *out)
{
	const struct enforcer_stats *stats = enforcer_statistics(agent->enforcer);

	one(out, "holdfast_net_transactions_total", METRIC_COUNTER, (double)stats->transactions,
	    "nf_tables transactions that were committed.");
	one(out, "holdfast_net_transactions_failed_total", METRIC_COUNTER, (double)stats->failed,
	    "nf_tables transactions that the kernel refused.");
	metrics_histogram(out, "holdfast_net_transaction_duration_seconds", "Time from the first message to the kernel's last answer.",
			  enforcer_times, stats->times, ENFORCER_TIMES, (double)stats->duration_us / 1e6);
	one(out, "holdfast_net_table_reads_total", METRIC_COUNTER, (double)stats->reads,
	    "Tables that were read back whole: at the start, for an audit, or because the kernel may differ from the model.");
	one(out, "holdfast_net_repairs_total", METRIC_COUNTER, (double)stats->repaired, "How often somebody else had changed our table.");
	one(out, "holdfast_net_rules_pending", METRIC_GAUGE, agent->dirty || !stats->in_force,
	    "1 while the kernel lacks a part of the model.");
}

static void add_pods(const struct agent *agent, struct buf *out)
{
	struct pod_counts pods = show_count_pods(agent);

	metrics_family(out, "holdfast_net_pods", METRIC_GAUGE, "Pods of this node.");
	metrics_sample(out, "holdfast_net_pods", (double)pods.judged, "state", "judged");
	metrics_sample(out, "holdfast_net_pods", (double)pods.quarantined, "state", "quarantined");
	metrics_sample(out, "holdfast_net_pods", (double)pods.leaving, "state", "leaving");
	metrics_family(out, "holdfast_net_senders", METRIC_GAUGE, "Pods of this node, by as whom they may send.");
	metrics_sample(out, "holdfast_net_senders", (double)pods.senders[SENDERS_GUARDED], "state", "guarded");
	metrics_sample(out, "holdfast_net_senders", (double)pods.senders[SENDERS_TRUSTED], "state", "trusted");
	metrics_sample(out, "holdfast_net_senders", (double)pods.senders[SENDERS_UNKNOWN], "state", "unguarded");
	one(out, "holdfast_net_pods_adopted", METRIC_GAUGE, (double)pods.adopted, "Pods of this node that started before Holdfast.");
}

static void add_policies(const struct agent *agent, struct buf *out)
{
	struct policy_counts counts = { 0 };

	if (enforcer_is_live(agent->enforcer))
		policy_engine_count(enforcer_engine(agent->enforcer), &counts);
	one(out, "holdfast_net_policies", METRIC_GAUGE, (double)counts.policies, "NetworkPolicies of the cluster.");
	one(out, "holdfast_net_policies_invalid", METRIC_GAUGE, (double)counts.invalid_policies,
	    "NetworkPolicies that are refused; what they select is isolated.");
}

static void add_source(const struct agent *agent, struct buf *out)
{
	struct kube_source_status status;

	kube_source_status(agent->source, &status);
	one(out, "holdfast_net_source_connected", METRIC_GAUGE, status.connected, "1 if every watch of the source is open.");
	one(out, "holdfast_net_source_restarts_total", METRIC_COUNTER, (double)status.restarts, "Watches that were opened again.");
	one(out, "holdfast_net_source_refused_total", METRIC_COUNTER, (double)status.refused, "Objects or files that could not be read.");
	one(out, "holdfast_net_events_total", METRIC_COUNTER, (double)status.told, "Kubernetes events that the API server has.");
	one(out, "holdfast_net_events_dropped_total", METRIC_COUNTER, (double)status.dropped, "Kubernetes events that were given up.");
	if (status.last_heard_ms)
		one(out, "holdfast_net_source_age_seconds", METRIC_GAUGE, (double)(uv_now(&agent->loop) - status.last_heard_ms) / 1e3,
		    "Time since the source was heard.");
}

static void add_snapshot(const struct agent *agent, struct buf *out)
{
	struct kube_snapshot_status status;

	kube_snapshot_status(agent->snapshot.writer, &status);
	one(out, "holdfast_net_snapshot_decides", METRIC_GAUGE, agent->snapshot.decides,
	    "1 while the model is the snapshot's, for the source has not told of all objects yet.");
	one(out, "holdfast_net_snapshot_unsaved", METRIC_GAUGE, status.unsaved, "1 while something has changed that is not on disk.");
	one(out, "holdfast_net_snapshot_writes_total", METRIC_COUNTER, (double)status.written, "Snapshots that were written.");
	one(out, "holdfast_net_snapshot_failures_total", METRIC_COUNTER, (double)status.failures, "Snapshots that could not be written.");
	uint64_t written_ms = status.written_ms ? status.written_ms : agent->started_ms;
	one(out, "holdfast_net_snapshot_age_seconds", METRIC_GAUGE, (double)(uv_now(&agent->loop) - written_ms) / 1e3,
	    "Time since the snapshot was written, which is when something has changed; before that, since the agent's start.");
}

static void add_requests(const struct agent *agent, struct buf *out)
{
	metrics_family(out, "holdfast_net_cni_requests_total", METRIC_COUNTER, "CNI requests.");
	for (int i = 0; i < CNI_VERSION; i++) {
		uint64_t refused = agent->counters.refused[i];
		const char *verb = cni_verb_name((enum cni_verb)i);
		metrics_sample(out, "holdfast_net_cni_requests_total", (double)(agent->counters.requests[i] - refused), "verb", verb,
			       "result", "accepted");
		metrics_sample(out, "holdfast_net_cni_requests_total", (double)refused, "verb", verb, "result", "refused");
	}
}

static void on_metrics(void *context, struct buf *out)
{
	struct agent *agent = context;

	add_kernel(agent, out);
	add_pods(agent, out);
	add_policies(agent, out);
	add_source(agent, out);
	add_snapshot(agent, out);
	add_requests(agent, out);
	metrics_add_counters(agent, out);
}

static bool on_ready(void *context, struct buf *why)
{
	struct error err;

	if (agent_check_ready(context, &err) == 0)
		return true;
	buf_printf(why, "%s\n", err.message);
	return false;
}

int metrics_start(struct agent *agent, struct error *err)
{
	const struct http_handlers handlers = { .metrics = on_metrics, .ready = on_ready, .context = agent };

	int r = http_endpoint_start(&agent->loop, agent->settings.metrics_address, &handlers, &agent->endpoint, err);
	return r < 0 ? error_wrap(err, "network.metricsAddress") : 0;
}

void metrics_stop(struct agent *agent)
{
	http_endpoint_stop(agent->endpoint, NULL, NULL);
	agent->endpoint = NULL;
}
