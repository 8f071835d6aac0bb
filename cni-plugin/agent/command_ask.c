// SPDX-License-Identifier: Apache-2.0
/* The subcommands that ask a running agent. It has the words; this side only has the options. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cni-plugin/agent/commands.h"
#include "cni-plugin/plugin/client.h"
#include "cni-plugin/plugin/cni.h"

#define TIMEOUT_MS 20000
#define EXIT_USAGE 2 /* also: the agent cannot be asked */

static const char status_usage[] = "usage: holdfast-net status [-o json] [--socket PATH]\n";
static const char dump_usage[] = "usage: holdfast-net dump [--socket PATH]\n";
static const char explain_usage[] =
	"usage: holdfast-net explain --from NAMESPACE/POD|ADDRESS --to NAMESPACE/POD|ADDRESS --port PORT[/tcp|/udp|/sctp] [-o json] "
	"[--socket PATH]\n"
	"\n"
	"Says whether the policies allow this connection, and which one decides. Exit code 0: allowed, 1: denied, 2: cannot say.\n"
	"\n"
	"  holdfast-net explain --from shop/web --to shop/db --port 5432/tcp\n"
	"  holdfast-net explain --from shop/web --to 192.0.2.7 --port 443\n";

struct ask_options {
	const char *socket;
	struct buf arguments;
	bool bad, help;
};

static void add_argument(struct ask_options *options, const char *key, const char *value)
{
	if (strchr(value, ';')) {
		fprintf(stderr, "holdfast-net: \"%s\" has a semicolon, which is in no name\n", value);
		options->bad = true;
	}
	buf_printf(&options->arguments, "%s%s=%s", options->arguments.n ? ";" : "", key, value);
}

static void parse(int argc, char **argv, const struct option *known, struct ask_options *options)
{
	int c;

	while ((c = getopt_long(argc, argv, "ho:", known, NULL)) != -1) {
		if (c == 's')
			options->socket = optarg;
		else if (c == 'o')
			add_argument(options, "OUTPUT", optarg);
		else if (c == 'f')
			add_argument(options, "FROM", optarg);
		else if (c == 't')
			add_argument(options, "TO", optarg);
		else if (c == 'p')
			add_argument(options, "PORT", optarg);
		else if (c == 'h')
			options->help = true;
		else
			options->bad = true;
		if (c == 'o' && strcmp(optarg, "json") != 0 && strcmp(optarg, "text") != 0) {
			fprintf(stderr, "holdfast-net: -o takes json or text, not \"%s\"\n", optarg);
			options->bad = true;
		}
	}
	options->bad |= optind != argc;
}

static int unreachable(const char *socket, const struct error *err)
{
	fprintf(stderr,
		"holdfast-net: the agent does not answer on %s: %s\n"
		"Is it running on this node?  kubectl -n holdfast get pods -o wide\n"
		"%s",
		socket, err->message,
		err->code == EACCES ? "The socket is root's: run this as root.\n" : "The rules it applied last stay in the kernel.\n");
	return EXIT_USAGE;
}

static int ask(const char *command, const struct ask_options *options)
{
	_cleanup_(buf_free) struct buf output = BUF_MAX(WIRE_OUTPUT_MAX);
	const struct slice fields[WIRE_FIELD_COUNT] = {
		[WIRE_VERB] = slice_string(command),
		[WIRE_ARGS] = buf_view(&options->arguments),
	};
	uint32_t exit_code;
	struct error err;

	int r = client_ask(options->socket, fields, TIMEOUT_MS, &output, &exit_code, &err);
	if (r < 0)
		return unreachable(options->socket, &err);
	fwrite(output.p, 1, output.n, exit_code >= EXIT_USAGE ? stderr : stdout);
	return (int)exit_code;
}

static int run(int argc, char **argv, const struct option *known, const char *usage)
{
	_cleanup_(buf_free) struct buf arguments = BUF_MAX(4096);
	struct ask_options options = { .socket = CNI_DEFAULT_SOCKET, .arguments = arguments };

	parse(argc, argv, known, &options);
	arguments = options.arguments;
	if (options.help || options.bad) {
		fputs(usage, options.bad ? stderr : stdout);
		return options.bad ? EXIT_USAGE : EXIT_SUCCESS;
	}
	return ask(argv[0], &options);
}

/* The first EXPLAIN_ONLY are for explain, the others for every command. */
static const struct option rows[] = {
	{ "from", required_argument, NULL, 'f' },
	{ "to", required_argument, NULL, 't' },
	{ "port", required_argument, NULL, 'p' },
	{ "socket", required_argument, NULL, 's' },
	{ "output", required_argument, NULL, 'o' },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};
#define EXPLAIN_ONLY 3

int command_status(int argc, char **argv)
{
	return run(argc, argv, rows + EXPLAIN_ONLY, status_usage);
}

int command_dump(int argc, char **argv)
{
	return run(argc, argv, rows + EXPLAIN_ONLY, dump_usage);
}

int command_explain(int argc, char **argv)
{
	return run(argc, argv, rows, explain_usage);
}
