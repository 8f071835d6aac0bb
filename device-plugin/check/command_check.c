// SPDX-License-Identifier: Apache-2.0
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "common/base/cleanup.h"
#include "device-plugin/check/checks.h"
#include "device-plugin/cli/commands.h"
#include "device-plugin/tpm/pin.h"
#include "device-plugin/tpm/tpm.h"

#define TIMEOUT_MS 5000
#define NO_CONFIGURATION "/dev/null" /* and so all defaults */

static const char usage[] =
	"usage: holdfast-tpm check [-o json] [--config FILE] [--tcti TCTI] [--state-dir DIRECTORY] [--socket PATH]\n"
	"\n"
	"Looks at this node, as root, and says what would keep the daemon from handing out secrets here: cause, and cure behind the "
	"arrow.\n"
	"Exit code 0: all is well, 1: there are warnings, 2: something must be repaired, 3: it could not be looked at.\n"
	"\n"
	"  --config FILE          section `secrets` of this file; default " CONFIG_DEFAULT_PATH "\n"
	"  --tcti TCTI            another TPM than the configuration says\n"
	"  --state-dir DIRECTORY  another memory of it\n"
	"  --socket PATH          another socket of the daemon\n"
	"\n"
	"  holdfast-tpm check\n"
	"  holdfast-tpm check -o json | jq '.findings[] | select(.level != \"ok\")'\n";

struct invocation {
	const char *tcti, *state_directory;
	bool json, help, bad;
};

static const struct option known[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "tcti", required_argument, NULL, 't' },
	{ "state-dir", required_argument, NULL, 'd' },
	{ "socket", required_argument, NULL, 's' },
	{ "output", required_argument, NULL, 'o' },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

static void parse(int argc, char **argv, struct checkup *checkup, struct invocation *ret)
{
	int c;

	while ((c = getopt_long(argc, argv, "ho:", known, NULL)) != -1) {
		if (c == 'c')
			checkup->config = optarg;
		else if (c == 't')
			ret->tcti = optarg;
		else if (c == 'd')
			ret->state_directory = optarg;
		else if (c == 's')
			checkup->socket = optarg;
		else if (c == 'o')
			ret->bad |= !program_take_format("holdfast-tpm", optarg, &ret->json);
		else if (c == 'h')
			ret->help = true;
		else
			ret->bad = true;
	}
	ret->bad |= optind != argc;
}

/* What is wrong with the configuration is a finding; the rest is looked at nevertheless. */
static int load(const struct checkup *checkup, const struct invocation *invocation, struct check_options *ret, struct error *err)
{
	struct settings whole = { 0 };

	if (settings_load(checkup->config, &whole, &ret->misconfigured) == 0)
		ret->misconfigured.code = 0;
	settings_clear(&whole);
	int r = settings_read(checkup->config, &ret->settings, err);
	if (r < 0)
		r = settings_read(NO_CONFIGURATION, &ret->settings, err);
	if (r < 0)
		return r;
	if (invocation->tcti)
		ret->settings.tcti = invocation->tcti;
	if (invocation->state_directory)
		ret->settings.state_directory = invocation->state_directory;
	if (checkup->socket)
		ret->settings.socket = checkup->socket;
	return 0;
}

/* What the daemon says of itself; NULL, and why, if it says nothing. */
static cJSON *ask_status(const char *socket, struct error *err)
{
	const struct ask ask = { socket, { .command = "status", .json = true }, TIMEOUT_MS };
	_cleanup_(ask_answer_clear) struct ask_answer answer = ASK_ANSWER_EMPTY;
	cJSON *tree = NULL;

	if (ask_daemon(&ask, &answer, err) < 0 || json_parse(buf_view(&answer.text), &json_limits_object, &tree, err) < 0)
		return NULL;
	return tree;
}

static void check_options_clear(struct check_options *options)
{
	json_free(options->status);
	settings_clear(&options->settings);
}

static int check(struct checkup *checkup, const struct invocation *invocation)
{
	_cleanup_(check_options_clear) struct check_options options = { 0 };
	struct error err;

	if (load(checkup, invocation, &options, &err) < 0) {
		fprintf(stderr, "holdfast-tpm: %s\n", err.message);
		return CHECKUP_EXIT_UNKNOWN;
	}
	options.status = ask_status(options.settings.socket, &options.away);
	checkup->options = &options;
	return checkup_report(checkup, checks, n_checks, "holdfast-tpm", invocation->json);
}

int command_check(int argc, char **argv)
{
	_cleanup_(checkup_clear) struct checkup checkup;
	struct invocation invocation = { 0 };

	checkup_init(&checkup);
	parse(argc, argv, &checkup, &invocation);
	if (invocation.help || invocation.bad) {
		fputs(usage, invocation.bad ? stderr : stdout);
		return invocation.bad ? CHECKUP_EXIT_UNKNOWN : 0;
	}
	return check(&checkup, &invocation);
}
