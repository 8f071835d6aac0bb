// SPDX-License-Identifier: Apache-2.0
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cni-plugin/agent/commands.h"
#include "cni-plugin/check/checkup.h"
#include "common/base/cleanup.h"
#include "common/config/config.h"

#define OUTPUT_MAX (1024 * 1024)
#define EXIT_BAD_USAGE 3

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

struct check_options {
	bool json, help, bad;
};

static const struct option known[] = {
	{ "config", required_argument, NULL, 'c' },  { "socket", required_argument, NULL, 's' },
	{ "root", required_argument, NULL, 'r' },    { "cni-conf", required_argument, NULL, 'C' },
	{ "cni-bin", required_argument, NULL, 'B' }, { "output", required_argument, NULL, 'o' },
	{ "help", no_argument, NULL, 'h' },          { 0 },
};

static void take_format(const char *format, struct check_options *ret)
{
	ret->json = strcmp(format, "json") == 0;
	if (ret->json || strcmp(format, "text") == 0)
		return;
	fprintf(stderr, "holdfast-net: -o takes text or json, not \"%s\"\n", format);
	ret->bad = true;
}

static bool root_is_there(const char *root)
{
	struct stat status;

	if (!*root || (stat(root, &status) == 0 && S_ISDIR(status.st_mode)))
		return true;
	fprintf(stderr, "holdfast-net: --root: \"%s\" is no directory\n", root);
	return false;
}

static void parse(int argc, char **argv, struct checkup *checkup, struct check_options *ret)
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
			checkup->cni_configuration = optarg;
		else if (c == 'B')
			checkup->cni_executables = optarg;
		else if (c == 'o')
			take_format(optarg, ret);
		else if (c == 'h')
			ret->help = true;
		else
			ret->bad = true;
	}
	ret->bad |= optind != argc;
}

int command_check(int argc, char **argv)
{
	_cleanup_(buf_free) struct buf out = BUF_MAX(OUTPUT_MAX);
	_cleanup_(checkup_clear) struct checkup checkup;
	struct check_options options = { 0 };

	checkup_init(&checkup);
	parse(argc, argv, &checkup, &options);
	if (options.help || options.bad) {
		fputs(usage, options.bad ? stderr : stdout);
		return options.bad ? EXIT_BAD_USAGE : 0;
	}
	if (!root_is_there(checkup.root))
		return EXIT_BAD_USAGE;
	enum checkup_level worst = checkup_run(&checkup);
	if (options.json)
		checkup_print_json(&checkup, &out);
	else
		checkup_print(&checkup, &out);
	if (checkup.lost || out.failed) {
		fputs("holdfast-net: out of memory\n", stderr);
		return EXIT_BAD_USAGE;
	}
	fputs(buf_text(&out), stdout);
	return (int)worst;
}
