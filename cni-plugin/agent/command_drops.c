// SPDX-License-Identifier: Apache-2.0
/*
 * `holdfast-net drops`. To follow is to ask once a second for what is newer than the last answer: one connection is one call, so nobody who
 * follows holds up the agent, and an agent that restarts is found again.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cni-plugin/agent/commands.h"
#include "cni-plugin/plugin/client.h"
#include "cni-plugin/plugin/cni.h"

#define TIMEOUT_MS 20000
#define SINCE_MAX 30 /* characters */

static const char usage[] =
	"usage: holdfast-net drops [--follow] [--since DURATION] [-o json] [--socket PATH]\n"
	"\n"
	"What this node has dropped lately: time, node, source, destination and port of the connection, verdict, and the policies\n"
	"that isolate. The kernel shows only some of the packets (network.dropLog); how many it did not is in the last line.\n"
	"\n"
	"  holdfast-net drops --since 10m\n"
	"  holdfast-net drops --follow            from now on; with --since, from then on\n"
	"  holdfast-net drops --follow -o json    a JSON object per line\n";

struct options {
	const char *socket, *since, *output;
	bool follow, help;
};

static bool parse(int argc, char **argv, struct options *ret)
{
	static const struct option rows[] = {
		{ "follow", no_argument, NULL, 'f' },       { "since", required_argument, NULL, 'S' },
		{ "socket", required_argument, NULL, 's' }, { "output", required_argument, NULL, 'o' },
		{ "help", no_argument, NULL, 'h' },         { 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "hfo:", rows, NULL)) != -1) {
		if (c == 'f')
			ret->follow = true;
		else if (c == 'S')
			ret->since = optarg;
		else if (c == 's')
			ret->socket = optarg;
		else if (c == 'o')
			ret->output = optarg;
		else if (c == 'h')
			ret->help = true;
		else
			return false;
	}
	if (strcmp(ret->output, "json") != 0 && strcmp(ret->output, "text") != 0) {
		fprintf(stderr, "holdfast-net: -o takes json or text, not \"%s\"\n", ret->output);
		return false;
	}
	if (ret->since && (strchr(ret->since, ';') || strlen(ret->since) > SINCE_MAX)) {
		fprintf(stderr, "holdfast-net: --since: \"%.*s\" is no duration; write 30s, 10m or 2h\n", SINCE_MAX, ret->since);
		return false;
	}
	return optind == argc;
}

struct cursor {
	uint64_t serial, suppressed;
	bool started;
};

/* The exit code, or -1: nobody answers. */
static int ask(const struct options *options, const struct cursor *cursor, struct buf *output, struct error *err)
{
	_cleanup_(buf_free) struct buf arguments = BUF_MAX(4096);
	uint32_t exit_code;

	buf_printf(&arguments, "OUTPUT=%s", options->output);
	if (options->follow)
		buf_printf(&arguments, ";FOLLOW=%" PRIu64, cursor->serial);
	if (!cursor->started && (options->since || options->follow))
		buf_printf(&arguments, ";SINCE=%s", options->since ? options->since : "0s");
	const struct slice fields[WIRE_FIELD_COUNT] = {
		[WIRE_VERB] = slice_string("drops"),
		[WIRE_ARGS] = buf_view(&arguments),
	};
	return client_ask(options->socket, fields, TIMEOUT_MS, output, &exit_code, err) < 0 ? -1 : (int)exit_code;
}

static void print_suppressed(const struct options *options, const struct cursor *before, const struct cursor *now)
{
	uint64_t n = now->suppressed - before->suppressed;

	if (!before->started || now->suppressed <= before->suppressed)
		return;
	if (strcmp(options->output, "json") == 0)
		printf("{\"suppressed\":%" PRIu64 "}\n", n);
	else
		printf("... and %" PRIu64 " packets more, above the limit of the log\n", n);
}

/* "<serial> <suppressed>", then what is new. False: this is no answer to follow. */
static bool print_new(const struct options *options, const struct buf *output, struct cursor *cursor)
{
	struct cursor now = { .started = true };
	int used = 0;

	if (sscanf(buf_text(output), "%" SCNu64 " %" SCNu64 "%n", &now.serial, &now.suppressed, &used) != 2 ||
	    buf_text(output)[used] != '\n')
		return false;
	fputs(buf_text(output) + used + 1, stdout);
	print_suppressed(options, cursor, &now);
	*cursor = now;
	return fflush(stdout) == 0;
}

/* Until it is interrupted, whoever reads is gone, or the agent says that there is nothing to follow. */
static int follow(const struct options *options)
{
	struct cursor cursor = { 0 };
	bool silent = false;

	for (;; sleep(1)) {
		_cleanup_(buf_free) struct buf output = BUF_MAX(WIRE_OUTPUT_MAX);
		struct error err;
		int r = ask(options, &cursor, &output, &err);

		if (r > 0) {
			fputs(buf_text(&output), stderr);
			return r;
		}
		if (r == 0 && !print_new(options, &output, &cursor))
			return EXIT_USAGE;
		if (r < 0 && !silent)
			fprintf(stderr, "holdfast-net: the agent does not answer on %s: %s; asking again\n", options->socket, err.message);
		silent = r < 0;
	}
}

static int once(const struct options *options)
{
	_cleanup_(buf_free) struct buf output = BUF_MAX(WIRE_OUTPUT_MAX);
	const struct cursor cursor = { 0 };
	struct error err;

	int r = ask(options, &cursor, &output, &err);
	if (r < 0)
		return command_ask_unreachable(options->socket, &err);
	fputs(buf_text(&output), r >= EXIT_USAGE ? stderr : stdout);
	return r;
}

int command_drops(int argc, char **argv)
{
	struct options options = { .socket = CNI_DEFAULT_SOCKET, .output = "text" };
	bool good = parse(argc, argv, &options);

	if (!good || options.help) {
		fputs(usage, good ? stdout : stderr);
		return good ? EXIT_SUCCESS : EXIT_USAGE;
	}
	return options.follow ? follow(&options) : once(&options);
}
