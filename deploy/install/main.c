// SPDX-License-Identifier: Apache-2.0
#include "common/base/array.h"
#include "deploy/install/commands.h"
#include "deploy/install/readiness/trial.h"

static const struct program_command commands[] = {
	{ "install", "put this version of Holdfast on the node, or what is missing of it", command_install },
	{ "status", "the version on the node, and how each piece of it stands", command_status },
	{ "check", "compare every byte with what was installed: what is wrong, and the cure", command_check },
	{ "rollback", "switch to the version before", command_rollback },
	{ "watch", "install, and see to it that it stays so: the container of the DaemonSet", command_watch },
	{ "uninstall", "take all of it away, and put back what was there before", command_uninstall },
	{ "leave", "uninstall, and then stay quiet: the container of the DaemonSet when Holdfast is to go", command_leave },
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
	.examples = "  holdfast-node install && holdfast-node status\n"
		    "  holdfast-node containerd-config            # what would be written, and where\n"
		    "  holdfast-node containerd-config --apply\n"
		    "  holdfast-node self-test\n",
};

int main(int argc, char **argv)
{
	return program_run(&program, argc, argv);
}
