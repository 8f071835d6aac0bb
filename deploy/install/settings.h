// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_INSTALL_SETTINGS_H
#define HOLDFAST_INSTALL_SETTINGS_H

#include <limits.h>

#include "common/config/config.h"

/* The section `install` of holdfast.yaml. */
struct node_settings {
	const char *state_directory;         /* on the node */
	const char *cni_lists, *cni_plugins; /* on the node */
	char records[PATH_MAX];              /* sandbox.records: of the pods that run */
	char vms[PATH_MAX];                  /* sandbox.vm.state: with a directory for each VM that runs */
	uint64_t watch_interval_ms;
	const char *health_address;
	const char *api_server; /* NULL: the service account's */
	bool containerd, containerd_restart, default_runtime;
	const char *containerd_layout, *containerd_config, *containerd_restart_command; /* NULL: found out */
	struct config *config;               /* owns the texts */
};

extern const struct config_section node_settings_section;

/*
 * The whole file is judged: also by the shim, which would take no pod with settings that it cannot read. Where it is silent the CNI
 * directories are those of the node's distribution of Kubernetes. EINVAL.
 */
int node_settings_parse(struct slice text, const char *root, struct node_settings *ret, struct error *err) must_check;
void node_settings_clear(struct node_settings *settings);

#endif
