// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TPM_SETTINGS_H
#define HOLDFAST_TPM_SETTINGS_H

#include "common/daemon/settings.h"

/* Section `secrets` of holdfast.yaml, as the daemon uses it. */
struct settings {
	const char *node_name; /* file, else environment NODE_NAME, else the host name */
	const char *kubeconfig, *directory, *api_server;
	bool in_cluster;
	const char *tcti, *signatures;
	const char *state_directory, *volumes, *kubelet_directory, *sandboxes;
	const char *socket, *metrics_address; /* "off": no endpoint */
	int64_t slots;
	bool no_general;
	uint64_t reuse_ms;  /* 0: never */
	uint64_t health_ms; /* between two looks at the TPM */
	uint64_t healthy_after_ms;
	int log_level, log_format; /* enum log_level, enum log_format */
	int seccomp;               /* enum sandbox_filter */

	struct config *config; /* owns the strings */
	char host_name[DAEMON_HOST_NAME_MAX];
};

/* `path` NULL: the default path, which may be missing. EINVAL names file and key. The caller's: settings_clear. */
int settings_load(const char *path, struct settings *ret, struct error *err) must_check;
/* As settings_load, without the choice of a source, which may be missing. */
int settings_read(const char *path, struct settings *ret, struct error *err) must_check;
void settings_clear(struct settings *settings);

/* Every key with its default and what it means, as a holdfast.yaml. */
void settings_print(struct buf *out);

/* All of its keys: for docs/configure.md. */
extern const struct config_section settings_section;

#endif
