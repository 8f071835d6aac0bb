// SPDX-License-Identifier: Apache-2.0
/*
 * The kernel's named counters as metrics: one dump per scrape. Labels are the policies' own names, which a counter's name may be too short
 * for. On a node with very many rules not all of them fit into one answer; the first by name are there, and how many are not is a metric.
 */
#include <stdio.h>

#include "cni-plugin/agent/agent.h"
#include "common/base/log.h"
#include "common/http/endpoint.h"
#include "common/http/metrics.h"

#define FAMILY_MAX (HTTP_BODY_MAX * 3 / 8)
#define SAMPLE_MAX 1024

struct samples {
	struct buf packets, bytes;
	size_t left_out;
};

static int add_rule(void *context, const struct policy_counter *counter)
{
	const struct kube_object *policy = counter->policy;
	struct samples *samples = context;
	char rule[16];

	if (samples->bytes.n > FAMILY_MAX - SAMPLE_MAX || samples->packets.n > FAMILY_MAX - SAMPLE_MAX) {
		samples->left_out++;
		return 0;
	}
	snprintf(rule, sizeof(rule), "%zu", counter->rule);
	metrics_sample(&samples->packets, "holdfast_net_policy_packets_total", (double)counter->counter->packets, "namespace",
		       policy->namespace, "policy", policy->name, "direction", counter->direction, "rule", rule);
	metrics_sample(&samples->bytes, "holdfast_net_policy_bytes_total", (double)counter->counter->bytes, "namespace", policy->namespace,
		       "policy", policy->name, "direction", counter->direction, "rule", rule);
	return 0;
}

static void add_drops(const struct ruleset *ruleset, struct samples *samples)
{
	for (int i = 0; i < POLICY_DROP_COUNT; i++) {
		const struct policy_drop_kind *kind = &policy_drops[i];
		const struct ruleset_counter *counter = ruleset_counter_find(ruleset, kind->counter);

		if (!counter) /* before the first sync, and after a build that had none */
			continue;
		metrics_sample(&samples->packets, "holdfast_net_dropped_packets_total", (double)counter->packets, "reason", kind->reason,
			       "direction", kind->direction);
		metrics_sample(&samples->bytes, "holdfast_net_dropped_bytes_total", (double)counter->bytes, "reason", kind->reason,
			       "direction", kind->direction);
	}
}

static void add_spoofed(const struct ruleset *ruleset, struct samples *samples)
{
	for (int i = 0; i < SPOOF_REASONS; i++) {
		const struct ruleset_counter *counter = spoof_counter(ruleset, (enum spoof_reason)i);
		const char *reason = spoof_reason_name((enum spoof_reason)i);

		metrics_sample(&samples->packets, "holdfast_net_spoofed_packets_total", (double)counter->packets, "reason", reason);
		metrics_sample(&samples->bytes, "holdfast_net_spoofed_bytes_total", (double)counter->bytes, "reason", reason);
	}
}

struct family {
	const char *name, *help;
};

/* Moves the samples into the answer. */
static void add_families(struct samples *samples, const struct family *packets, const struct family *bytes, struct buf *out)
{
	metrics_family(out, packets->name, METRIC_COUNTER, packets->help);
	buf_slice(out, buf_view(&samples->packets));
	metrics_family(out, bytes->name, METRIC_COUNTER, bytes->help);
	buf_slice(out, buf_view(&samples->bytes));
	buf_clear(&samples->packets);
	buf_clear(&samples->bytes);
}

static void add_log(struct agent *agent, struct buf *out)
{
	struct error err;
	struct drops_totals totals;
	int r = drops_count(agent, &totals, &err);

	if (r < 0)
		log_warn("cannot read the kernel's counters: metrics show what they were", "error", err.message);
	metrics_family(out, "holdfast_net_counters_stale", METRIC_GAUGE, "1 if the kernel's counters could not be read now.");
	metrics_sample(out, "holdfast_net_counters_stale", r < 0);
	metrics_family(out, "holdfast_net_drop_log_packets_total", METRIC_COUNTER,
		       "Dropped packets since the start, by how much is known.");
	metrics_sample(out, "holdfast_net_drop_log_packets_total", (double)totals.logged, "log", "seen");
	metrics_sample(out, "holdfast_net_drop_log_packets_total", (double)totals.suppressed, "log", "suppressed");
	metrics_family(out, "holdfast_net_drop_log_broken", METRIC_GAUGE,
		       "1 if dropped packets are not shown: holdfast-net drops says why.");
	metrics_sample(out, "holdfast_net_drop_log_broken", *drops_problem(agent) != 0);
}

void metrics_add_counters(struct agent *agent, struct buf *out)
{
	static const struct family drops[] = {
		{ "holdfast_net_dropped_packets_total", "Packets dropped on this node." },
		{ "holdfast_net_dropped_bytes_total", "Bytes of packets dropped on this node." },
	};
	static const struct family spoofed[] = {
		{ "holdfast_net_spoofed_packets_total", "Packets dropped because a pod sent them as somebody else." },
		{ "holdfast_net_spoofed_bytes_total", "Bytes of packets dropped because a pod sent them as somebody else." },
	};
	static const struct family rules[] = {
		{ "holdfast_net_policy_packets_total",
		  "Packets that a rule of a policy let through, of either direction of a connection." },
		{ "holdfast_net_policy_bytes_total", "Bytes that a rule of a policy let through, of either direction of a connection." },
	};
	struct samples samples = { .packets = BUF_MAX(FAMILY_MAX), .bytes = BUF_MAX(FAMILY_MAX) };

	add_log(agent, out);
	add_drops(enforcer_ruleset(agent->enforcer), &samples);
	add_families(&samples, &drops[0], &drops[1], out);
	add_spoofed(senders_ruleset(enforcer_senders(agent->enforcer)), &samples);
	add_families(&samples, &spoofed[0], &spoofed[1], out);
	if (enforcer_is_live(agent->enforcer))
		policy_engine_each_counter(enforcer_engine(agent->enforcer), add_rule, &samples);
	add_families(&samples, &rules[0], &rules[1], out);
	metrics_family(out, "holdfast_net_policy_rules_left_out", METRIC_GAUGE, "Rules whose counters do not fit into this answer.");
	metrics_sample(out, "holdfast_net_policy_rules_left_out", (double)samples.left_out);
	buf_free(&samples.packets);
	buf_free(&samples.bytes);
}
