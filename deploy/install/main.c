// SPDX-License-Identifier: Apache-2.0
#include "common/base/array.h"
#include "deploy/install/commands.h"
#include "deploy/install/readiness/trial.h"

static const struct program_command commands[] = {
	{ "containerd-config", "what containerd's configuration lacks for Holdfast's sandboxes: show, write, check or remove it",
	  command_containerd_config },
	{ "self-test", "whether this node refuses a packet, boots a VM, and unseals a secret", command_self_test },
	{ "readiness", "test this node again and again, and tell the API server: labels, condition, events", command_readiness },
	{ "in-root", "run a program with another root file system; self-test --root does", command_in_root },
};

static const struct program program = {
	.name = "holdfast-node",
	.version = HOLDFAST_VERSION,
	.purpose = "Holdfast's place on one node.",
	.commands = commands,
	.n_commands = ELEMENTS_OF(commands),
	.examples = "  holdfast-node containerd-config            # what would be written, and where\n"
		    "  holdfast-node containerd-config --apply\n"
		    "  holdfast-node self-test\n",
};

int main(int argc, char **argv)
{
	return program_run(&program, argc, argv);
}
