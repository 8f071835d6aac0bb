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

static const char usage[] =
	"usage: holdfast-tpm check [-o json] [--tcti TCTI] [--state-dir DIRECTORY] [--socket PATH]\n"
	"\n"
	"Looks at this node, as root, and says what would keep the daemon from handing out secrets here: cause, and cure behind the "
	"arrow.\n"
	"Exit code 0: all is well, 1: there are warnings, 2: something must be repaired, 3: it could not be looked at.\n"
	"\n"
	"  --tcti TCTI           the TPM; default " TPM_DEFAULT_TCTI "\n"
	"  --state-dir DIRECTORY what the daemon keeps; default " PIN_DEFAULT_DIRECTORY "\n"
	"  --socket PATH         of the daemon; default " CONTROL_DEFAULT_SOCKET "\n"
	"\n"
	"  holdfast-tpm check\n"
	"  holdfast-tpm check -o json | jq '.findings[] | select(.level != \"ok\")'\n";

struct invocation {
	struct check_options options;
	bool json, help, bad;
};

static const struct option known[] = {
	{ "tcti", required_argument, NULL, 't' },   { "state-dir", required_argument, NULL, 'd' },
	{ "socket", required_argument, NULL, 's' }, { "output", required_argument, NULL, 'o' },
	{ "help", no_argument, NULL, 'h' },         { 0 },
};

static void parse(int argc, char **argv, struct checkup *checkup, struct invocation *ret)
{
	int c;

	while ((c = getopt_long(argc, argv, "ho:", known, NULL)) != -1) {
		if (c == 't')
			ret->options.tcti = optarg;
		else if (c == 'd')
			ret->options.state_directory = optarg;
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

int command_check(int argc, char **argv)
{
	_cleanup_(checkup_clear) struct checkup checkup;
	_cleanup_(json_freep) cJSON *status = NULL;
	struct invocation invocation = {
		.options = { TPM_DEFAULT_TCTI, PIN_DEFAULT_DIRECTORY, "/var/lib/kubelet/device-plugins", "/var/lib/kubelet/pod-resources",
			     "/run/holdfast/sandboxes" },
	};

	checkup_init(&checkup);
	checkup.options = &invocation.options;
	parse(argc, argv, &checkup, &invocation);
	if (invocation.help || invocation.bad) {
		fputs(usage, invocation.bad ? stderr : stdout);
		return invocation.bad ? CHECKUP_EXIT_UNKNOWN : 0;
	}
	status = ask_status(checkup.socket, &invocation.options.away);
	invocation.options.status = status;
	return checkup_report(&checkup, checks, n_checks, "holdfast-tpm", invocation.json);
}
