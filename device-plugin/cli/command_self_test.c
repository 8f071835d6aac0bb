// SPDX-License-Identifier: Apache-2.0
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "common/base/cleanup.h"
#include "common/checkup/checkup.h"
#include "device-plugin/cli/commands.h"

#define TIMEOUT_MS 20000 /* a discrete TPM takes a second; one that hangs is found out */

static const char usage[] =
	"usage: holdfast-tpm self-test [-o json] [--socket PATH]\n"
	"\n"
	"Has the daemon seal a random secret for this node, as secrets are sealed for it, and its TPM unseal it. Nothing is kept.\n"
	"Exit code 0: it is what was sealed; 2: it is not, or the daemon cannot be asked: cause, and cure behind the arrow; 3: usage.\n"
	"\n"
	"  holdfast-tpm self-test\n";

static const char *cure_of(int r)
{
	return ask_is_away(r) ? "start it: kubectl -n holdfast-system get pods -o wide" : "holdfast-tpm status";
}

static void test_tpm(struct checkup *checkup)
{
	const struct ask ask = { checkup->socket, { .command = "self-test" }, TIMEOUT_MS };
	_cleanup_(ask_answer_clear) struct ask_answer answer = ASK_ANSWER_EMPTY;
	struct error err;

	int r = ask_daemon(&ask, &answer, &err);
	const char *words = buf_text(&answer.text);
	if (r < 0)
		checkup_fail(checkup, cure_of(r), "%s", err.message);
	else if (*answer.error || answer.exit_code != 0)
		checkup_fail(checkup, "holdfast-tpm status", "%s", answer.error);
	else
		checkup_ok(checkup, "%.*s", (int)strcspn(words, "\n"), words);
}

static const struct checkup_row rows[] = { { "tpm", test_tpm, true } };

int command_self_test(int argc, char **argv)
{
	static const struct option known[] = {
		{ "output", required_argument, NULL, 'o' },
		{ "socket", required_argument, NULL, 's' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	_cleanup_(checkup_clear) struct checkup checkup;
	bool json = false, help = false, bad = false;
	int c;

	checkup_init(&checkup);
	while ((c = getopt_long(argc, argv, "ho:", known, NULL)) != -1) {
		if (c == 'o')
			bad |= !program_take_format("holdfast-tpm", optarg, &json);
		else if (c == 's')
			checkup.socket = optarg;
		else
			*(c == 'h' ? &help : &bad) = true;
	}
	bad |= optind != argc;
	if (help || bad) {
		fputs(usage, bad ? stderr : stdout);
		return bad ? CHECKUP_EXIT_UNKNOWN : EXIT_SUCCESS;
	}
	return checkup_report(&checkup, rows, 1, "holdfast-tpm", json);
}
