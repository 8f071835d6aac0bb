// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TESTS_UNIT_COMMON_SAMPLE_CONFIG_H
#define HOLDFAST_TESTS_UNIT_COMMON_SAMPLE_CONFIG_H

#include <stdbool.h>

#include "common/config/config.h"

/* A section with a row of every type, for the tests of common/config. */
struct sample_config {
	const char *node_name, *kubeconfig, *metrics_address;
	bool in_cluster;
	int64_t pods_max;
	uint64_t pod_wait_ms, pod_retry_ms;
	int log_level;
};

extern const struct config_section sample_section;

void sample_config_print(const struct sample_config *values, struct buf *out);

#endif
