// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_AGENT_COMMANDS_H
#define HOLDFAST_AGENT_COMMANDS_H

#include "common/base/program.h"

struct error;

/* The subcommands of holdfast-net. argv[0] is the subcommand. They return the exit code and print their own errors. */
int command_agent(int argc, char **argv);
int command_status(int argc, char **argv);
int command_dump(int argc, char **argv);
int command_explain(int argc, char **argv);
int command_diff(int argc, char **argv);
int command_graph(int argc, char **argv);
int command_drops(int argc, char **argv);
int command_self_test(int argc, char **argv); /* check/ */
int command_check(int argc, char **argv); /* check/ */

/* Says that nobody answers on the socket, and where to look. Returns the exit code. */
int command_ask_unreachable(const char *socket, const struct error *err);

#endif
