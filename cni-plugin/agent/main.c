// SPDX-License-Identifier: Apache-2.0
#include "cni-plugin/agent/commands.h"
#include "common/base/array.h"

static const struct program_command commands[] = {
	{ "agent", "run the daemon", command_agent },
	{ "status", "whether this node is guarded, by what, and what was refused", command_status },
	{ "explain", "whether one connection is allowed, and which policy decides", command_explain },
	{ "diff", "what a change of policies would change, and which connections it would cut", command_diff },
	{ "drops", "what was dropped, of which pod, and by which policy", command_drops },
	{ "graph", "who may talk to whom, and who did, as Graphviz, Mermaid, SVG or JSON", command_graph },
	{ "dump", "the policy model and the ruleset as text", command_dump },
	{ "self-test", "send a packet that the rules must refuse, and one that they must not", command_self_test },
	{ "check", "whether this node can do what Holdfast needs: cause and cure", command_check },
};

static const struct program program = {
	.name = "holdfast-net",
	.version = HOLDFAST_VERSION,
	.purpose = "Isolates the pods of this node by their NetworkPolicies.",
	.commands = commands,
	.n_commands = ELEMENTS_OF(commands),
	.examples = "  holdfast-net agent --config /opt/holdfast/etc/holdfast.yaml\n"
		    "  holdfast-net status -o json\n"
		    "  holdfast-net explain --from shop/web --to shop/db --port 5432/tcp\n"
		    "  holdfast-net drops --follow\n",
};

int main(int argc, char **argv)
{
	return program_run(&program, argc, argv);
}
