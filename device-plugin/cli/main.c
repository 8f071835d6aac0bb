// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "common/base/array.h"
#include "device-plugin/cli/commands.h"

static const struct program_command commands[] = {
	{ "serve", "run the daemon", command_serve },
	{ "status", "whether this node can hand out its secrets, and what was refused", command_status },
	{ "list", "the secrets of this node, and which pods have them", command_list },
	{ "rotate", "deliver secrets again to the pods that have them", command_rotate },
	{ "seal", "seal files for the TPMs of some nodes; needs no TPM", command_seal },
	{ "node-key", "enrol this node's TPM and print what others need to seal for it", command_node_key },
	{ "revoke", "make everything that was sealed for this node so far useless, for ever", command_revoke },
	{ "self-test", "seal a random secret for this node and have its TPM unseal it", command_self_test },
	{ "check", "whether this node can do what Holdfast needs: cause and cure", command_check },
};

static const struct program program = {
	.name = "holdfast-tpm",
	.version = HOLDFAST_VERSION,
	.purpose = "Secrets that only the TPMs of chosen nodes can open.",
	.commands = commands,
	.n_commands = ELEMENTS_OF(commands),
	.examples = "  holdfast-tpm node-key > edge-1.yaml                     # on the node\n"
		    "  holdfast-tpm seal db-password --node-key edge-1.yaml --from-file password=./pw --allow shop/db > db-password.yaml\n"
		    "  holdfast-tpm list\n",
};

/* A core dump of this program would hold what it seals, and a debugger of the same user would read it. */
static void keep_memory_private(void)
{
	const struct rlimit none = { 0, 0 };

	prctl(PR_SET_DUMPABLE, 0);
	setrlimit(RLIMIT_CORE, &none);
	setenv("TSS2_LOG", "all+none", 0); /* its errors are ours to explain */
}

int main(int argc, char **argv)
{
	keep_memory_private();
	return program_run(&program, argc, argv);
}
