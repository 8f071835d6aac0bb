// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_INSTALL_COMMANDS_H
#define HOLDFAST_INSTALL_COMMANDS_H

#include "common/base/program.h"

int command_containerd_config(int argc, char **argv);
/* readiness/ */
int command_self_test(int argc, char **argv);
int command_readiness(int argc, char **argv);

#endif
