// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TPM_COMMANDS_H
#define HOLDFAST_TPM_COMMANDS_H

#include "common/base/program.h"
#include "device-plugin/control/ask.h"

/* The subcommands of holdfast-tpm. argv[0] is the subcommand. They return the exit code and print their own errors. */
int command_serve(int argc, char **argv);
int command_seal(int argc, char **argv);
int command_node_key(int argc, char **argv);
int command_revoke(int argc, char **argv);
int command_check(int argc, char **argv); /* check/ */
int command_self_test(int argc, char **argv);
int command_list(int argc, char **argv);
int command_status(int argc, char **argv);
int command_rotate(int argc, char **argv);

/* Asks the daemon and prints what it says, or why it does not. False: no daemon runs. */
bool command_ask_if_there(const struct ask *ask, int *ret_exit_code);

#endif
