// SPDX-License-Identifier: Apache-2.0
/*
 * `kubectl holdfast …`: kubectl finds this program by its name. It asks the daemons on the nodes through kubectl itself, as the same user
 * on the same cluster: so it needs no credentials, and no port of a node is open for it.
 */
#include <signal.h>
#include <string.h>

#include "common/base/array.h"
#include "common/base/program_complete.h"
#include "deploy/kubectl/commands.h"
#include "deploy/kubectl/names.h"

static const struct program_command commands[] = {
	{ "status", "every node: what is ready on it, what is wrong, and the cure", command_status },
	{ "explain", "whether one connection is allowed, and which policy decides", command_explain },
	{ "diff", "what a change of policies would change, and which connections it would cut", command_diff },
	{ "drops", "what was dropped on all nodes, of which pod, and by which policy", command_drops },
	{ "graph", "who may talk to whom, as Graphviz, Mermaid, SVG or JSON", command_graph },
	{ "seal", "seal files for the TPMs of some nodes", command_seal },
	{ "revoke", "make everything that was sealed for a node so far useless, for ever", command_revoke },
	{ "upgrade", "apply another version or other settings, and go back if a node does not become ready", command_upgrade },
	{ "uninstall", "take Holdfast away from every node, and then its objects", command_uninstall },
};

static const struct program program = {
	.name = "kubectl-holdfast",
	.version = HOLDFAST_VERSION,
	.purpose = "Holdfast on all nodes of a cluster.",
	.commands = commands,
	.n_commands = ELEMENTS_OF(commands),
	.examples = "  kubectl holdfast status\n"
		    "  kubectl holdfast explain -n shop --from web --to db --port 5432/tcp\n"
		    "  kubectl holdfast drops --since 10m\n",
	.offer_values = offer_cluster_names,
};

/* How kubectl asks for completion: an executable of this name, with the words behind `kubectl holdfast`. */
static bool is_called_to_complete(const char *name)
{
	const char *slash = strrchr(name, '/');

	return strcmp(slash ? slash + 1 : name, "kubectl_complete-holdfast") == 0;
}

int main(int argc, char **argv)
{
	if (is_called_to_complete(argv[0]))
		return program_complete(&program, argc - 1, argv + 1);
	signal(SIGPIPE, SIG_IGN); /* a child that does not read its input is no reason to die */
	return program_run(&program, argc, argv);
}
