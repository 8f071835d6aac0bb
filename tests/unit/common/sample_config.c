// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/common/sample_config.h"

#include <inttypes.h>

#include "common/base/array.h"

#define FIELD(name) offsetof(struct sample_config, name)

static const char *const level_names[] = { "debug", "info", "warn", "error", NULL };

static const struct config_row rows[] = {
	{ "nodeName", CONFIG_STRING, FIELD(node_name), NULL, "This node's name in Kubernetes; the host name if it is not given." },
	{ "source.kubeconfig", CONFIG_PATH, FIELD(kubeconfig), NULL, "A kubeconfig that reaches the API server." },
	{ "source.inCluster", CONFIG_BOOL, FIELD(in_cluster), "true", "Use the pod's service account." },
	{ "metricsAddress", CONFIG_STRING, FIELD(metrics_address), "[::1]:9470", "Where /metrics, /healthz and /readyz are, or off." },
	{ "pod.wait", CONFIG_DURATION, FIELD(pod_wait_ms), "1s",
	  "How long ADD waits for the object of the pod before the pod starts in quarantine, where only its own node reaches it. "
	  "It opens when the object comes.",
	  .minimum = 10, .maximum = 30000 },
	{ "pod.retry", CONFIG_DURATION, FIELD(pod_retry_ms), "250ms", "How long to wait before the next try." },
	{ "podsMax", CONFIG_INTEGER, FIELD(pods_max), "250", "Pods that this node may have.", .minimum = 1, .maximum = 10000 },
	{ "logLevel", CONFIG_ENUM, FIELD(log_level), "info", "What is logged.", .names = level_names },
};

const struct config_section sample_section = { "network", rows, ELEMENTS_OF(rows), sizeof(struct sample_config) };

static const char *text_or_none(const char *text)
{
	return text ? text : "(none)";
}

void sample_config_print(const struct sample_config *values, struct buf *out)
{
	buf_printf(out, "nodeName %s\n", text_or_none(values->node_name));
	buf_printf(out, "source.kubeconfig %s\n", text_or_none(values->kubeconfig));
	buf_printf(out, "source.inCluster %d\n", values->in_cluster);
	buf_printf(out, "metricsAddress %s\n", text_or_none(values->metrics_address));
	buf_printf(out, "pod.wait %" PRIu64 "ms\n", values->pod_wait_ms);
	buf_printf(out, "pod.retry %" PRIu64 "ms\n", values->pod_retry_ms);
	buf_printf(out, "podsMax %" PRId64 "\n", values->pods_max);
	buf_printf(out, "logLevel %s\n", level_names[values->log_level]);
}
