// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_DAEMON_SETTINGS_H
#define HOLDFAST_DAEMON_SETTINGS_H

#include "common/config/config.h"

/*
 * The rows that every daemon's section of holdfast.yaml has. `type` is the struct that is filled, with these fields:
 *
 *	const char *node_name, *kubeconfig, *directory, *api_server;
 *	bool in_cluster;
 *	int log_level, log_format, seccomp;
 */
#define DAEMON_SOURCE_ROWS(type)                                                                                                           \
	{ "nodeName", CONFIG_STRING, offsetof(type, node_name),                                                                            \
	  .help = "This node's name in Kubernetes. Default: the environment's NODE_NAME, else the host name." },                           \
		{ "source.inCluster", CONFIG_BOOL, offsetof(type, in_cluster),                                                             \
		  .help = "Follow the API server with the pod's service account. The default where Kubernetes runs the daemon." },         \
		{ "source.kubeconfig", CONFIG_PATH, offsetof(type, kubeconfig),                                                            \
		  .help = "Follow the API server that this kubeconfig names." },                                                           \
		{ "source.directory", CONFIG_PATH, offsetof(type, directory),                                                              \
		  .help = "Follow a directory of manifests (*.yaml, *.yml, *.json); no API server." },                                     \
	{                                                                                                                                  \
		"source.apiServer", CONFIG_STRING, offsetof(type, api_server),                                                             \
			.help = "Address of the API server, instead of the one that kubeconfig or environment give: "                      \
				"https://10.0.0.1:6443"                                                                                    \
	}

#define DAEMON_RUN_ROWS(type)                                                                                                              \
	{ "logLevel", CONFIG_ENUM, offsetof(type, log_level), "info", "What is logged: this and what is worse.",                           \
	  .names = daemon_level_names },                                                                                                   \
		{ "logFormat", CONFIG_ENUM, offsetof(type, log_format), "logfmt", "How a line of the log is written.",                     \
		  .names = daemon_format_names },                                                                                          \
	{                                                                                                                                  \
		"seccomp", CONFIG_ENUM, offsetof(type, seccomp), "enforce",                                                                \
			"A system call that the daemon should not need ends it (enforce), or is only noted in the kernel's log (log).",    \
			.names = daemon_seccomp_names                                                                                      \
	}

extern const char *const daemon_level_names[], *const daemon_format_names[], *const daemon_seccomp_names[];

/* Where to find these settings in a struct that was filled; `section` is for messages. */
struct daemon_choice {
	const char *section;
	const char **node_name;
	const char *kubeconfig, *directory, *api_server;
	bool *in_cluster;
	char *host_name; /* room for DAEMON_HOST_NAME_MAX bytes, which node_name may point to */
};
#define DAEMON_HOST_NAME_MAX 256

/* What the file leaves open: the source and the node's name. EINVAL: two sources, or none. */
int daemon_choose(const struct daemon_choice *choice, struct error *err) must_check;

#endif
