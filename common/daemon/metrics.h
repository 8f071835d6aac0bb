// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_DAEMON_METRICS_H
#define HOLDFAST_DAEMON_METRICS_H

#include "common/kube/report.h"

/* What every daemon counts of where its objects come from: "<prefix>source_connected" and so on. `prefix`: "holdfast_net_". */
void daemon_metrics_add_source(const char *prefix, const struct kube_report *report, uint64_t started_ms, struct buf *out);

#endif
