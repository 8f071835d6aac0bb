// SPDX-License-Identifier: Apache-2.0
/* The subcommands that ask the daemon. It has the words; this side only has the options. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device-plugin/cli/commands.h"
#include "device-plugin/control/ask.h"

#define LOOK_TIMEOUT_MS 20000    /* what only looks is answered at once, if at all */
#define ROTATE_TIMEOUT_MS 300000 /* a TPM may need a second for each secret */

static const char list_usage[] =
	"usage: holdfast-tpm list [SECRET]... [-o json] [--socket PATH]\n"
	"\n"
	"The secrets that are sealed for this node: version, state, how many devices are in use, which pods have it, and why not, if a\n"
	"secret cannot be had here. Exit code 0: they are all ready; 1: one is not; 2: the daemon cannot be asked.\n"
	"\n"
	"  holdfast-tpm list\n"
	"  holdfast-tpm list db-password -o json\n";
static const char status_usage[] = "usage: holdfast-tpm status [-o json] [--socket PATH]\n"
				   "\n"
				   "Whether this node can hand out its secrets: its TPM, kubelet, where the secrets come from, what was "
				   "delivered, and what was refused\n"
				   "and why. Exit code 0: the daemon has answered; 2: it cannot be asked.\n"
				   "\n"
				   "  holdfast-tpm status\n"
				   "  holdfast-tpm status -o json | jq .ready\n";
static const char rotate_usage[] =
	"usage: holdfast-tpm rotate SECRET...|--all [-o json] [--socket PATH]\n"
	"\n"
	"Unseals the secrets again and delivers them again to every running pod that has them: for a volume that somebody has changed or\n"
	"emptied by hand, or to see that a secret can still be unsealed. The files are replaced in one step; pods need no restart.\n"
	"It makes no new value: for that, seal the secret again (`holdfast-tpm seal`) and apply it, and running pods get it by "
	"themselves.\n"
	"Exit code 0: every pod has it again; 1: one has not; 2: the daemon cannot be asked.\n"
	"\n"
	"  holdfast-tpm rotate db-password\n"
	"  holdfast-tpm rotate --all\n";

struct ask_command {
	const char *usage;
	uint64_t timeout_ms;
	bool takes_secrets, takes_all;
};

struct invocation {
	struct ask ask;
	bool help, bad;
};

static char all_secrets[] = "--all";

static bool parse(int argc, char **argv, const struct ask_command *command, struct invocation *ret)
{
	static const struct option known[] = {
		{ "all", no_argument, NULL, 'a' },
		{ "output", required_argument, NULL, 'o' },
		{ "socket", required_argument, NULL, 's' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	bool all = false;
	int c;

	while ((c = getopt_long(argc, argv, "ho:", known, NULL)) != -1) {
		if (c == 'a' && command->takes_all)
			all = true;
		else if (c == 'o')
			ret->bad |= !program_take_format("holdfast-tpm", optarg, &ret->ask.request.json);
		else if (c == 's')
			ret->ask.socket = optarg;
		else if (c == 'h')
			ret->help = true;
		else
			ret->bad = true;
	}
	return all;
}

/* Which secrets. All of them must be said, where that is not the same as saying nothing. */
static void take_secrets(int argc, char **argv, const struct ask_command *command, bool all, struct invocation *ret)
{
	static char *const every[] = { all_secrets };
	struct control_request *request = &ret->ask.request;

	request->arguments = all ? every : argv + optind;
	request->n_arguments = all ? 1 : (size_t)(argc - optind);
	if (all ? optind < argc : optind < argc && !command->takes_secrets)
		ret->bad = true;
	if (command->takes_all && request->n_arguments == 0 && !ret->help) {
		fputs("holdfast-tpm: say which secrets, or --all\n", stderr);
		ret->bad = true;
	}
}

static int print_answer(const struct ask_answer *answer)
{
	if (*answer->error)
		fprintf(stderr, "holdfast-tpm: %s\n", answer->error);
	fwrite(answer->text.p, 1, answer->text.n, stdout);
	if (fflush(stdout) == 0)
		return (int)answer->exit_code;
	fprintf(stderr, "holdfast-tpm: cannot print the answer: %s\n", strerror(errno));
	return EXIT_FAILURE;
}

static int ask_and_print(const struct ask *ask, int *ret_exit_code, struct error *err)
{
	_cleanup_(ask_answer_clear) struct ask_answer answer = ASK_ANSWER_EMPTY;

	int r = ask_daemon(ask, &answer, err);
	if (r == 0)
		*ret_exit_code = print_answer(&answer);
	return r;
}

static int say_unreachable(const struct error *err)
{
	fprintf(stderr, "holdfast-tpm: %s\n", err->message);
	return EXIT_USAGE;
}

bool command_ask_if_there(const struct ask *ask, int *ret_exit_code)
{
	struct error err;

	int r = ask_and_print(ask, ret_exit_code, &err);
	if (ask_is_away(r))
		return false;
	if (r < 0)
		*ret_exit_code = say_unreachable(&err);
	return true;
}

static int command_ask(const struct ask *ask)
{
	struct error err;
	int exit_code;

	return ask_and_print(ask, &exit_code, &err) < 0 ? say_unreachable(&err) : exit_code;
}

static int run(int argc, char **argv, const struct ask_command *command)
{
	struct invocation invocation = { .ask = { .request = { .command = argv[0] }, .timeout_ms = command->timeout_ms } };

	bool all = parse(argc, argv, command, &invocation);
	take_secrets(argc, argv, command, all, &invocation);
	if (invocation.help || invocation.bad) {
		fputs(command->usage, invocation.bad ? stderr : stdout);
		return invocation.bad ? EXIT_USAGE : EXIT_SUCCESS;
	}
	return command_ask(&invocation.ask);
}

int command_list(int argc, char **argv)
{
	static const struct ask_command command = { list_usage, LOOK_TIMEOUT_MS, .takes_secrets = true };

	return run(argc, argv, &command);
}

int command_status(int argc, char **argv)
{
	static const struct ask_command command = { status_usage, LOOK_TIMEOUT_MS };

	return run(argc, argv, &command);
}

int command_rotate(int argc, char **argv)
{
	static const struct ask_command command = { rotate_usage, ROTATE_TIMEOUT_MS, .takes_secrets = true, .takes_all = true };

	return run(argc, argv, &command);
}
