// SPDX-License-Identifier: Apache-2.0
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cni-plugin/agent/commands.h"
#include "cni-plugin/check/checks.h"
#include "common/base/cleanup.h"
#include "common/config/config.h"

static const char usage[] =
	"usage: holdfast-net check [-o json] [--config FILE] [--socket PATH] [--root DIR] [--cni-conf DIR] [--cni-bin DIR]\n"
	"\n"
	"Looks at this node, as root, and says what would keep Holdfast from doing its work here: cause, and cure behind the arrow.\n"
	"Exit code 0: all is well, 1: there are warnings, 2: something must be repaired, 3: it could not be looked at.\n"
	"\n"
	"  --config FILE    the agent's; default " CONFIG_DEFAULT_PATH "\n"
	"  --socket PATH    the agent's; default what its configuration says\n"
	"  --root DIR       look at the files of a node below DIR; the running kernel is not asked then\n"
	"  --cni-conf DIR   where the runtime has its CNI configuration; default /etc/cni/net.d, or k3s's place\n"
	"  --cni-bin DIR    and the executables; default /opt/cni/bin, or k3s's place\n";

struct invocation {
	struct check_options options;
	bool json, help, bad;
};

static const struct option known[] = {
	{ "config", required_argument, NULL, 'c' },  { "socket", required_argument, NULL, 's' },
	{ "root", required_argument, NULL, 'r' },    { "cni-conf", required_argument, NULL, 'C' },
	{ "cni-bin", required_argument, NULL, 'B' }, { "output", required_argument, NULL, 'o' },
	{ "help", no_argument, NULL, 'h' },          { 0 },
};

static void parse(int argc, char **argv, struct checkup *checkup, struct invocation *ret)
{
	int c;

	while ((c = getopt_long(argc, argv, "ho:", known, NULL)) != -1) {
		if (c == 'c')
			checkup->config = optarg;
		else if (c == 's')
			checkup->socket = optarg;
		else if (c == 'r')
			checkup->root = strcmp(optarg, "/") == 0 ? "" : optarg;
		else if (c == 'C')
			ret->options.cni_configuration = optarg;
		else if (c == 'B')
			ret->options.cni_executables = optarg;
		else if (c == 'o')
			ret->bad |= !program_take_format("holdfast-net", optarg, &ret->json);
		else if (c == 'h')
			ret->help = true;
		else
			ret->bad = true;
	}
	ret->bad |= optind != argc;
}

int command_check(int argc, char **argv)
{
	_cleanup_(checkup_clear) struct checkup checkup;
	struct invocation invocation = { 0 };

	checkup_init(&checkup);
	checkup.options = &invocation.options;
	parse(argc, argv, &checkup, &invocation);
	if (invocation.help || invocation.bad) {
		fputs(usage, invocation.bad ? stderr : stdout);
		return invocation.bad ? CHECKUP_EXIT_UNKNOWN : 0;
	}
	return checkup_report(&checkup, checks, n_checks, "holdfast-net", invocation.json);
}
