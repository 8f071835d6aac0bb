// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_AGENT_SETTINGS_H
#define HOLDFAST_AGENT_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/log.h"
#include "common/config/config.h"
#include "common/daemon/settings.h"

enum ownership { OWNERSHIP_AUTO, OWNERSHIP_OFF };

/* Section `network` of holdfast.yaml, as the agent uses it. */
struct settings {
	const char *node_name; /* file, else environment NODE_NAME, else the host name */
	const char *kubeconfig, *directory, *api_server;
	bool in_cluster;
	const char *socket;
	const char *state_directory, *snapshot_directory;
	const char *metrics_address; /* "off": no endpoint */
	uint64_t pod_wait_ms;
	uint64_t observe_ms;       /* 0: never */
	int table_ownership;       /* enum ownership */
	int64_t drop_log_group, drop_log_rate, drop_log_burst;
	int log_level, log_format; /* enum log_level, enum log_format */
	int seccomp;               /* enum sandbox_filter */

	struct config *config; /* owns the strings */
	char host_name[DAEMON_HOST_NAME_MAX];
};

/* `path` NULL: the default path, which may be missing. EINVAL names file and key. The caller's: settings_clear. */
int settings_load(const char *path, struct settings *ret, struct error *err) must_check;
void settings_clear(struct settings *settings);

/* Every key with its default and what it means, as a holdfast.yaml. */
void settings_print(struct buf *out);

/* All of its keys: for docs/configure.md. */
extern const struct config_section settings_section;

#endif
