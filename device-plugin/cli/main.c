// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "common/base/array.h"
#include "device-plugin/cli/commands.h"

static int command_version(int argc, char **argv)
{
	puts("holdfast-tpm " HOLDFAST_VERSION);
	return EXIT_SUCCESS;
}

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *summary;
} commands[] = {
	{ "seal", command_seal, "seal files for the TPMs of some nodes; needs no TPM" },
	{ "node-key", command_node_key, "enrol this node's TPM and print what others need to seal for it" },
	{ "revoke", command_revoke, "make everything that was sealed for this node so far useless, for ever" },
	{ "check", command_check, "whether this node's TPM can be used, and what to do if not" },
	{ "version", command_version, "print the version" },
};

static void print_usage(FILE *to)
{
	fputs("usage: holdfast-tpm COMMAND [OPTIONS]\n\nSecrets that only the TPMs of chosen nodes can open.\n\n", to);
	for (size_t i = 0; i < ELEMENTS_OF(commands); i++)
		fprintf(to, "  %-9s %s\n", commands[i].name, commands[i].summary);
	fputs("\nexamples:\n"
	      "  holdfast-tpm node-key > edge-1.yaml                     # on the node\n"
	      "  holdfast-tpm seal db-password --node-key edge-1.yaml --from-file password=./pw --allow shop/db > db-password.yaml\n"
	      "  holdfast-tpm COMMAND --help\n",
	      to);
}

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
	if (argc < 2) {
		print_usage(stderr);
		return EXIT_USAGE;
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
	fprintf(stderr, "holdfast-tpm: there is no command \"%s\"\n", argv[1]);
	print_usage(stderr);
	return EXIT_USAGE;
}
