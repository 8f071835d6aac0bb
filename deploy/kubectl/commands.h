// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_KUBECTL_COMMANDS_H
#define HOLDFAST_KUBECTL_COMMANDS_H

#include "common/base/program.h"

#define KUBECTL_NAME "kubectl holdfast" /* in front of every message */

/* The subcommands. argv[0] is the subcommand. They return the exit code and print their own errors. */
int command_status(int argc, char **argv);
int command_explain(int argc, char **argv);
int command_diff(int argc, char **argv);
int command_drops(int argc, char **argv);
int command_graph(int argc, char **argv);
int command_seal(int argc, char **argv);
int command_revoke(int argc, char **argv);
int command_upgrade(int argc, char **argv);
int command_uninstall(int argc, char **argv);

#endif
