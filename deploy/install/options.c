// SPDX-License-Identifier: Apache-2.0
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/number.h"
#include "common/base/show.h"
#include "deploy/install/commands.h"

#define WAIT_DEFAULT_S 60
#define WAIT_MAX_S 3600

static void take_policies(struct node_invocation *invocation, const char *text)
{
	invocation->policies = strcmp(text, "stop") == 0 ? NODE_POLICIES_STOP : NODE_POLICIES_KEEP;
	if (strcmp(text, "stop") == 0 || strcmp(text, "keep") == 0)
		return;
	fprintf(stderr, "holdfast-node: --policies takes keep or stop, not \"%s\"\n", SHOW(slice_string(text)));
	invocation->bad = true;
}

static void take_wait(struct node_invocation *invocation, const char *text)
{
	uint32_t seconds;
	struct error err;

	if (number_parse_u32(slice_string(text), 0, WAIT_MAX_S, &seconds, &err) == 0) {
		invocation->options.wait_s = seconds;
		return;
	}
	fprintf(stderr, "holdfast-node: --wait: %s\n", err.message);
	invocation->bad = true;
}

/* Without the slash at the end, which every path begins with. */
static void take_root(struct node_invocation *invocation, char *text)
{
	size_t n = strlen(text);

	while (n > 0 && text[n - 1] == '/')
		text[--n] = 0;
	invocation->options.root = text;
}

static void take(struct node_invocation *invocation, int c, const char *taken)
{
	if (c == 'R')
		take_root(invocation, optarg);
	else if (c == 's')
		invocation->options.settings = optarg;
	else if (c == 'h')
		invocation->help = true;
	else if (!strchr(taken, c))
		invocation->bad = true;
	else if (c == 'f')
		invocation->options.from = optarg;
	else if (c == 'w')
		take_wait(invocation, optarg);
	else if (c == 'o')
		invocation->bad |= !program_take_format("holdfast-node", optarg, &invocation->json);
	else if (c == 'p')
		take_policies(invocation, optarg);
	else if (c == 'F')
		invocation->force = true;
	else if (c == 'r')
		invocation->readiness = optarg;
	else if (c == 'P')
		invocation->print_config = true;
}

struct node_invocation node_parse(int argc, char **argv, const char *taken)
{
	static const struct option known[] = {
		{ "root", required_argument, NULL, 'R' },
		{ "settings", required_argument, NULL, 's' },
		{ "from", required_argument, NULL, 'f' },
		{ "wait", required_argument, NULL, 'w' },
		{ "output", required_argument, NULL, 'o' },
		{ "policies", required_argument, NULL, 'p' },
		{ "force", no_argument, NULL, 'F' },
		{ "readiness", required_argument, NULL, 'r' },
		{ "print-config", no_argument, NULL, 'P' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct node_invocation invocation = { .options = { .root = "", .wait_s = WAIT_DEFAULT_S } };
	int c;

	while ((c = getopt_long(argc, argv, "ho:", known, NULL)) != -1)
		take(&invocation, c, taken);
	invocation.bad |= optind != argc;
	return invocation;
}

int node_prepare_report(const struct node_options *options, struct node_reporter *reporter, struct readiness_options *ret, struct error *err)
{
	int r = readiness_node_name(reporter->node, err);

	r = r < 0 ? r : node_read_api_server(options, reporter->api_server, err);
	ret->node = reporter->node;
	ret->api.in_cluster = true;
	ret->api.api_server = *reporter->api_server ? reporter->api_server : NULL;
	return r;
}

int node_usage(const struct node_invocation *invocation, const char *usage)
{
	fputs(usage, invocation->bad ? stderr : stdout);
	return invocation->bad ? EXIT_USAGE : EXIT_SUCCESS;
}

int node_fail(const struct error *err)
{
	fflush(stdout); /* what was done stands before what was not */
	fprintf(stderr, "holdfast-node: %s\n", err->message);
	return EXIT_FAILURE;
}
