// SPDX-License-Identifier: Apache-2.0
#include "common/daemon/metrics.h"

#include <stdio.h>

#include "common/http/metrics.h"

struct family {
	const char *prefix;
	struct buf *out;
};

static void add(const struct family *family, const char *name, enum metric_type type, double value, const char *help)
{
	char whole[128];

	snprintf(whole, sizeof(whole), "%s%s", family->prefix, name);
	metrics_one(family->out, whole, type, value, help);
}

static double seconds_since(const struct kube_report *report, uint64_t then_ms)
{
	return (double)(report->now_ms - then_ms) / 1e3;
}

static void add_source(const struct family *family, const struct kube_report *report)
{
	const struct kube_source_status *status = &report->source;

	add(family, "source_connected", METRIC_GAUGE, status->connected, "1 if every watch of the source is open.");
	add(family, "source_restarts_total", METRIC_COUNTER, (double)status->restarts, "Watches that were opened again.");
	add(family, "source_refused_total", METRIC_COUNTER, (double)status->refused, "Objects or files that could not be read.");
	add(family, "events_total", METRIC_COUNTER, (double)status->told, "Kubernetes events that the API server has.");
	add(family, "events_dropped_total", METRIC_COUNTER, (double)status->dropped, "Kubernetes events that were given up.");
	if (status->last_heard_ms)
		add(family, "source_age_seconds", METRIC_GAUGE, seconds_since(report, status->last_heard_ms),
		    "Time since the source was heard.");
}

static void add_snapshot(const struct family *family, const struct kube_report *report, uint64_t started_ms)
{
	const struct kube_snapshot_status *status = &report->snapshot;

	add(family, "snapshot_decides", METRIC_GAUGE, report->decides != NULL,
	    "1 while the snapshot's objects count, for the source has not told of all objects yet.");
	add(family, "snapshot_unsaved", METRIC_GAUGE, status->unsaved, "1 while something has changed that is not on disk.");
	add(family, "snapshot_writes_total", METRIC_COUNTER, (double)status->written, "Snapshots that were written.");
	add(family, "snapshot_failures_total", METRIC_COUNTER, (double)status->failures, "Snapshots that could not be written.");
	add(family, "snapshot_age_seconds", METRIC_GAUGE, seconds_since(report, status->written_ms ? status->written_ms : started_ms),
	    "Time since the snapshot was written, which is when something has changed; before that, since the daemon's start.");
}

void daemon_metrics_add_source(const char *prefix, const struct kube_report *report, uint64_t started_ms, struct buf *out)
{
	const struct family family = { prefix, out };

	add_source(&family, report);
	add_snapshot(&family, report, started_ms);
}
