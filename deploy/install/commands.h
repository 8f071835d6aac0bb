// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_INSTALL_COMMANDS_H
#define HOLDFAST_INSTALL_COMMANDS_H

#include "common/base/program.h"
#include "deploy/install/node.h"
#include "deploy/install/readiness/readiness.h"

int command_install(int argc, char **argv);
int command_rollback(int argc, char **argv);
int command_uninstall(int argc, char **argv);
int command_leave(int argc, char **argv);
int command_check(int argc, char **argv);
int command_status(int argc, char **argv);
int command_watch(int argc, char **argv);
int command_containerd_config(int argc, char **argv);
/* readiness/ */
int command_self_test(int argc, char **argv);
int command_readiness(int argc, char **argv);

/* What the commands about the whole node have in common. */
struct node_invocation {
	struct node_options options;
	enum node_policies policies;
	char *readiness; /* a list of parts; NULL: none */
	bool force, json, print_config, help, bad;
};

#define NODE_OPTIONS_HELP                                                                                                                  \
	"  --root DIRECTORY    where the node's files stand; default /\n"                                                                  \
	"  --settings FILE     holdfast.yaml, seen from here; default: the node's own " CONFIG_DEFAULT_PATH "\n"

/*
 * `taken`: the letters of the options that this command has besides --root, --settings and --help: "f" --from, "w" --wait, "o" --output,
 * "p" --policies, "P" --print-config, "r" --readiness, "F" --force.
 */
struct node_invocation node_parse(int argc, char **argv, const char *taken);

/* As whom, and where to, a pod's container reports: `ret`'s node and API server, whose texts are in here. */
struct node_reporter {
	char node[READINESS_NODE_SIZE], api_server[NODE_API_SERVER_SIZE];
};
int node_prepare_report(const struct node_options *options, struct node_reporter *reporter, struct readiness_options *ret,
			struct error *err) must_check;

/* The usage, to whom it belongs; the exit code. */
int node_usage(const struct node_invocation *invocation, const char *usage);

/* "holdfast-node: <message>"; EXIT_FAILURE. */
int node_fail(const struct error *err);

#endif
