// SPDX-License-Identifier: Apache-2.0
/* The subcommands that ask a running agent. It has the words; this side only has the options. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cni-plugin/agent/command_diff.h"
#include "cni-plugin/agent/commands.h"
#include "cni-plugin/plugin/client.h"
#include "cni-plugin/plugin/cni.h"
#include "common/base/array.h"

#define TIMEOUT_MS 20000
#define ARGUMENTS_MAX (32 * 1024)

static const char status_usage[] = "usage: holdfast-net status [-o json] [--socket PATH]\n";
static const char dump_usage[] = "usage: holdfast-net dump [--socket PATH]\n";
static const char explain_usage[] = "usage: holdfast-net explain --from NAMESPACE/POD|--from-ip ADDRESS --to NAMESPACE/POD|--to-ip "
				    "ADDRESS|--to-service NAMESPACE/NAME\n"
				    "                            --port PORT[/tcp|/udp|/sctp] [-o json] [--socket PATH]\n"
				    "       holdfast-net explain --all [--namespace NAMESPACE] [-o json] [--socket PATH]\n"
				    "\n"
				    "Says whether the policies allow this connection, and which one decides; for a Service, whether they "
				    "allow it to each pod behind it.\n"
				    "--all: a table of who may reach whom, of the pods of this node or of one namespace.\n"
				    "Exit code 0: allowed, 1: denied (to one pod or more), 2: cannot say.\n"
				    "\n"
				    "  holdfast-net explain --from shop/web --to shop/db --port 5432/tcp\n"
				    "  holdfast-net explain --from shop/web --to-service shop/db --port 5432\n"
				    "  holdfast-net explain --from shop/web --to-ip 192.0.2.7 --port 443\n";

static const char diff_usage[] =
	"usage: holdfast-net diff [-f FILE|DIRECTORY|-]... [--delete NAMESPACE/NAME]... [-o json] [--socket PATH]\n"
	"\n"
	"Says what would change if these NetworkPolicies were applied (or deleted): which pods could no longer reach which, or could from "
	"then\n"
	"on, and which connections of this node would be cut. Nothing is changed. Exit code 0: nothing would change, 1: something would,\n"
	"2: cannot say.\n"
	"\n"
	"  holdfast-net diff -f new-policy.yaml\n"
	"  kubectl get networkpolicy -n shop -o yaml | sed s/5432/5433/ | holdfast-net diff -f -\n"
	"  holdfast-net diff --delete shop/db-from-web\n";

static const char graph_usage[] =
	"usage: holdfast-net graph [--namespace NAMESPACE] [-o dot|mermaid|svg|json] [--socket PATH]\n"
	"\n"
	"Draws who may talk to whom, of the pods of this node or of one namespace, and dashed who did in the last hour.\n"
	"\n"
	"  holdfast-net graph --namespace shop -o svg >shop.svg\n";

struct ask_command {
	const char *usage;
	const struct option *options;
	const char *const *formats; /* NULL-terminated */
	bool takes_manifests;
};

struct ask_options {
	const char *socket;
	struct buf arguments, deletions, input;
	bool bad, help;
	bool failed; /* and said why */
};

static void ask_options_clear(struct ask_options *options)
{
	buf_free(&options->arguments);
	buf_free(&options->deletions);
	buf_free(&options->input);
}

/* Keys in capitals are what the agent reads; an option of the same name is what a person wrote. */
static bool has_argument(const struct ask_options *options, const char *key)
{
	const char *rest = buf_text(&options->arguments);
	size_t n = strlen(key);

	while (rest && (strncmp(rest, key, n) != 0 || rest[n] != '=')) {
		rest = strchr(rest, ';');
		rest += rest != NULL;
	}
	return rest;
}

static void add_argument(struct ask_options *options, const char *key, const char *value)
{
	if (has_argument(options, key)) {
		fprintf(stderr, "holdfast-net: an option is given twice, the second time with \"%s\"\n", value);
		options->bad = true;
	}
	if (strchr(value, ';')) {
		fprintf(stderr, "holdfast-net: \"%s\" has a semicolon, which is in no name\n", value);
		options->bad = true;
	}
	buf_printf(&options->arguments, "%s%s=%s", options->arguments.n ? ";" : "", key, value);
}

static void add_manifest(struct ask_options *options, const char *path)
{
	struct error err;

	if (command_diff_take(path, &options->input, &err) == 0)
		return;
	fprintf(stderr, "holdfast-net: %s\n", err.message);
	options->failed = true;
}

static void check_format(const char *const *formats, const char *given, struct ask_options *options)
{
	for (size_t i = 0; formats[i]; i++) {
		if (strcmp(given, formats[i]) == 0)
			return;
	}
	fprintf(stderr, "holdfast-net: -o takes");
	for (size_t i = 0; formats[i]; i++)
		fprintf(stderr, "%s %s", i == 0 ? "" : formats[i + 1] ? "," : " or", formats[i]);
	fprintf(stderr, ", not \"%s\"\n", given);
	options->bad = true;
}

static const char *key_of(int option)
{
	static const struct {
		int option;
		const char *key;
	} keys[] = {
		{ 'o', "OUTPUT" },     { 'f', "FROM" }, { 'F', "FROM_IP" },   { 't', "TO" },  { 'T', "TO_IP" },
		{ 'S', "TO_SERVICE" }, { 'p', "PORT" }, { 'n', "NAMESPACE" }, { 'a', "ALL" },
	};

	for (size_t i = 0; i < ELEMENTS_OF(keys); i++) {
		if (keys[i].option == option)
			return keys[i].key;
	}
	return NULL;
}

static void parse(int argc, char **argv, const struct ask_command *command, struct ask_options *options)
{
	const char *letters = command->takes_manifests ? "ho:f:" : "ho:";
	int c;

	while ((c = getopt_long(argc, argv, letters, command->options, NULL)) != -1) {
		if (c == 's')
			options->socket = optarg;
		else if (c == 'h')
			options->help = true;
		else if (c == 'D')
			buf_printf(&options->deletions, "%s%s", options->deletions.n ? "," : "", optarg);
		else if (command->takes_manifests && c == 'f')
			add_manifest(options, optarg);
		else if (key_of(c))
			add_argument(options, key_of(c), optarg ? optarg : "yes");
		else
			options->bad = true;
		if (c == 'o')
			check_format(command->formats, optarg, options);
	}
	options->bad |= optind != argc;
}

int command_ask_unreachable(const char *socket, const struct error *err)
{
	if (err->code == EBUSY) {
		fprintf(stderr, "holdfast-net: the agent did not take the request: %s\n", err->message);
		return EXIT_USAGE;
	}
	fprintf(stderr,
		"holdfast-net: the agent does not answer on %s: %s\n"
		"Is it running on this node?  kubectl -n holdfast-system get pods -o wide\n"
		"%s",
		socket, err->message,
		err->code == EACCES ? "The socket is root's: run this as root.\n" : "The rules it applied last stay in the kernel.\n");
	return EXIT_USAGE;
}

/* What did not fit was left out: the agent would answer another question. */
static bool fits(const struct ask_options *options)
{
	struct error err;

	if (buf_check(&options->deletions, "what is to be deleted", &err) == 0 &&
	    buf_check(&options->arguments, "all options together", &err) == 0)
		return true;
	fprintf(stderr, "holdfast-net: %s\n", err.message);
	return false;
}

static int ask(const char *command, const struct ask_options *options)
{
	_cleanup_(buf_free) struct buf output = BUF_MAX(WIRE_OUTPUT_MAX);
	const struct slice fields[WIRE_FIELD_COUNT] = {
		[WIRE_VERB] = slice_string(command),
		[WIRE_ARGS] = buf_view(&options->arguments),
		[WIRE_INPUT] = buf_view(&options->input),
	};
	uint32_t exit_code;
	struct error err;

	int r = client_ask(options->socket, fields, TIMEOUT_MS, &output, &exit_code, &err);
	if (r < 0)
		return command_ask_unreachable(options->socket, &err);
	fwrite(output.p, 1, output.n, exit_code >= EXIT_USAGE ? stderr : stdout);
	return (int)exit_code;
}

static int run(int argc, char **argv, const struct ask_command *command)
{
	_cleanup_(ask_options_clear) struct ask_options options = {
		.socket = CNI_DEFAULT_SOCKET,
		.arguments = BUF_MAX(2 * ARGUMENTS_MAX),
		.deletions = BUF_MAX(ARGUMENTS_MAX),
		.input = BUF_MAX(WIRE_INPUT_MAX),
	};

	parse(argc, argv, command, &options);
	if (options.failed)
		return EXIT_USAGE;
	if (options.deletions.n)
		add_argument(&options, "DELETE", buf_text(&options.deletions));
	if (options.help || options.bad) {
		fputs(command->usage, options.bad ? stderr : stdout);
		return options.bad ? EXIT_USAGE : EXIT_SUCCESS;
	}
	return fits(&options) ? ask(argv[0], &options) : EXIT_USAGE;
}

static const char *const text_or_json[] = { "text", "json", NULL };

#define FOR_EVERY_COMMAND                                                                                                                  \
	{ "socket", required_argument, NULL, 's' }, { "output", required_argument, NULL, 'o' }, { "help", no_argument, NULL, 'h' },        \
	{                                                                                                                                  \
		0                                                                                                                          \
	}

static const struct option common_options[] = { FOR_EVERY_COMMAND };

int command_status(int argc, char **argv)
{
	static const struct ask_command command = { status_usage, common_options, text_or_json };

	return run(argc, argv, &command);
}

int command_dump(int argc, char **argv)
{
	static const struct ask_command command = { dump_usage, common_options, text_or_json };

	return run(argc, argv, &command);
}

int command_explain(int argc, char **argv)
{
	static const struct option options[] = {
		{ "from", required_argument, NULL, 'f' },
		{ "from-ip", required_argument, NULL, 'F' },
		{ "to", required_argument, NULL, 't' },
		{ "to-ip", required_argument, NULL, 'T' },
		{ "to-service", required_argument, NULL, 'S' },
		{ "port", required_argument, NULL, 'p' },
		{ "all", no_argument, NULL, 'a' },
		{ "namespace", required_argument, NULL, 'n' },
		FOR_EVERY_COMMAND,
	};
	static const struct ask_command command = { explain_usage, options, text_or_json };

	return run(argc, argv, &command);
}

int command_diff(int argc, char **argv)
{
	static const struct option options[] = {
		{ "filename", required_argument, NULL, 'f' },
		{ "delete", required_argument, NULL, 'D' },
		FOR_EVERY_COMMAND,
	};
	static const struct ask_command command = { diff_usage, options, text_or_json, .takes_manifests = true };

	return run(argc, argv, &command);
}

int command_graph(int argc, char **argv)
{
	static const char *const formats[] = { "dot", "mermaid", "svg", "json", NULL };
	static const struct option options[] = {
		{ "namespace", required_argument, NULL, 'n' },
		FOR_EVERY_COMMAND,
	};
	static const struct ask_command command = { graph_usage, options, formats };

	return run(argc, argv, &command);
}
