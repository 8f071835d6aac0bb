// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_HTTP_METRICS_H
#define HOLDFAST_HTTP_METRICS_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"

/*
 * Prometheus text format 0.0.4 (prometheus.io/docs/instrumenting/exposition_formats). A family's head comes first, its samples
 * directly behind it:
 *
 *	metrics_family(out, "holdfast_net_pods", METRIC_GAUGE, "Pods on this node.");
 *	metrics_sample(out, "holdfast_net_pods", 3, "state", "isolated");
 *	metrics_sample(out, "holdfast_net_pods", 0, "state", "quarantined");
 */
enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

void metrics_family(struct buf *out, const char *name, enum metric_type type, const char *help);

/* `...` is label, value, label, value, …; a NULL value becomes "". Values may be anything, names must be valid. */
#define metrics_sample(out, ...) metrics_write_sample(out, __VA_ARGS__, NULL)
void metrics_write_sample(struct buf *out, const char *name, double value, ...) __attribute__((sentinel));

/* A family of one sample without labels. */
void metrics_one(struct buf *out, const char *name, enum metric_type type, double value, const char *help);

/*
 * A whole histogram, head included. `bounds` are the n upper limits, rising; `counts[i]` is how many values were at most bounds[i] and
 * above the limit before it, `counts[n]` how many were above all.
 */
void metrics_histogram(struct buf *out, const char *name, const char *help, const double *bounds, const uint64_t *counts, size_t n,
		       double sum);

#endif
