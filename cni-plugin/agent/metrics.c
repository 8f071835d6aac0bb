// SPDX-License-Identifier: Apache-2.0
#include "cni-plugin/agent/agent.h"
#include "cni-plugin/agent/show.h"
#include "common/daemon/metrics.h"
#include "common/http/endpoint.h"
#include "common/http/metrics.h"

static void add_kernel(const struct agent *agent, struct buf *out)
{
	const struct enforcer_stats *stats = enforcer_statistics(agent->enforcer);

	metrics_one(out, "holdfast_net_transactions_total", METRIC_COUNTER, (double)stats->transactions,
		    "nf_tables transactions that were committed.");
	metrics_one(out, "holdfast_net_transactions_failed_total", METRIC_COUNTER, (double)stats->failed,
		    "nf_tables transactions that the kernel refused.");
	metrics_histogram(out, "holdfast_net_transaction_duration_seconds", "Time from the first message to the kernel's last answer.",
			  enforcer_times, stats->times, ENFORCER_TIMES, (double)stats->duration_us / 1e6);
	metrics_one(out, "holdfast_net_table_reads_total", METRIC_COUNTER, (double)stats->reads,
		    "Tables that were read back whole: at the start, for an audit, or because the kernel may differ from the model.");
	metrics_one(out, "holdfast_net_repairs_total", METRIC_COUNTER, (double)stats->repaired,
		    "How often somebody else had changed our table.");
	metrics_one(out, "holdfast_net_rules_pending", METRIC_GAUGE, agent->dirty || !stats->in_force,
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
	metrics_one(out, "holdfast_net_pods_adopted", METRIC_GAUGE, (double)pods.adopted,
		    "Pods of this node that started before Holdfast.");
}

static void add_policies(const struct agent *agent, struct buf *out)
{
	struct policy_counts counts = { 0 };

	if (enforcer_is_live(agent->enforcer))
		policy_engine_count(enforcer_engine(agent->enforcer), &counts);
	metrics_one(out, "holdfast_net_policies", METRIC_GAUGE, (double)counts.policies, "NetworkPolicies of the cluster.");
	metrics_one(out, "holdfast_net_policies_invalid", METRIC_GAUGE, (double)counts.invalid_policies,
		    "NetworkPolicies that are refused; what they select is isolated.");
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
	const struct kube_report report = show_report(agent);

	add_kernel(agent, out);
	add_pods(agent, out);
	add_policies(agent, out);
	daemon_metrics_add_source("holdfast_net_", &report, agent->started_ms, out);
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
