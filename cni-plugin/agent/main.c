// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cni-plugin/agent/commands.h"
#include "common/base/array.h"

static int command_version(int argc, char **argv)
{
	puts("holdfast-net " HOLDFAST_VERSION);
	return EXIT_SUCCESS;
}

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *summary;
} commands[] = {
	{ "agent", command_agent, "run the daemon" },
	{ "status", command_status, "whether this node is guarded, by what, and what was refused" },
	{ "explain", command_explain, "whether one connection is allowed, and which policy decides" },
	{ "diff", command_diff, "what a change of policies would change, and which connections it would cut" },
	{ "drops", command_drops, "what was dropped, of which pod, and by which policy" },
	{ "graph", command_graph, "who may talk to whom, and who did, as Graphviz, Mermaid, SVG or JSON" },
	{ "dump", command_dump, "the policy model and the ruleset as text" },
	{ "check", command_check, "whether this node can do what Holdfast needs: cause and cure" },
	{ "version", command_version, "print the version" },
};

static void print_usage(FILE *to)
{
	fputs("usage: holdfast-net COMMAND [OPTIONS]\n\nIsolates the pods of this node by their NetworkPolicies.\n\n", to);
	for (size_t i = 0; i < ELEMENTS_OF(commands); i++)
		fprintf(to, "  %-9s %s\n", commands[i].name, commands[i].summary);
	fputs("\nexamples:\n"
	      "  holdfast-net agent --config /opt/holdfast/etc/holdfast.yaml\n"
	      "  holdfast-net status -o json\n"
	      "  holdfast-net explain --from shop/web --to shop/db --port 5432/tcp\n"
	      "  holdfast-net drops --follow\n"
	      "  holdfast-net COMMAND --help\n",
	      to);
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		print_usage(stderr);
		return 2;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		print_usage(stdout);
		return EXIT_SUCCESS;
	}
	if (strcmp(argv[1], "--version") == 0)
		return command_version(0, NULL);
	for (size_t i = 0; i < ELEMENTS_OF(commands); i++) {
		if (strcmp(argv[1], commands[i].name) == 0)
			return commands[i].run(argc - 1, argv + 1);
	}
	fprintf(stderr, "holdfast-net: there is no command \"%s\"\n", argv[1]);
	print_usage(stderr);
	return 2;
}
