// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_KUBE_REPORT_H
#define HOLDFAST_KUBE_REPORT_H

#include "common/kube/snapshot.h"
#include "common/kube/source.h"

/* What `status` of either daemon says of where its objects come from: lines for a person, members "source" and "snapshot" of JSON. */

struct kube_report {
	struct kube_source_status source;
	struct kube_snapshot_status snapshot;
	const struct kube_snapshot_origin *decides; /* the snapshot does, until the source has told of all; NULL: it does not */
	uint64_t now_ms;                            /* uv_now */
};

void kube_report_print(const struct kube_report *report, struct buf *out);
void kube_report_print_json(const struct kube_report *report, struct buf *out);

#endif
