// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>

#include "deploy/install/commands.h"
#include "deploy/install/look.h"

#define OUTPUT_MAX (256 * 1024)

static const char check_usage[] =
	"usage: holdfast-node check [--root DIRECTORY] [--settings FILE] [-o json]\n"
	"\n"
	"Compares every byte of what is installed with what was put there, and says what is wrong: cause, and cure behind the arrow.\n"
	"Changes nothing.\n"
	"Exit code 0: all is well, 1: there are warnings, 2: something must be repaired, 3: it could not be looked at.\n"
	"\n" NODE_OPTIONS_HELP "\n"
	"  holdfast-node check -o json | jq '.findings[] | select(.level != \"ok\")'\n";

static const char status_usage[] =
	"usage: holdfast-node status [--root DIRECTORY] [--settings FILE] [-o json]\n"
	"\n"
	"The version on this node and the one before it, and each piece: well, or what is wrong and the cure. Changes nothing.\n"
	"Exit code 0: here it is; 3: it could not be looked at.\n"
	"\n" NODE_OPTIONS_HELP "\n"
	"  holdfast-node status\n";

static int look(const struct node_invocation *invocation, bool deep,
		int (*show)(const struct node_invocation *invocation, const struct node *node, struct checkup *checkup))
{
	struct checkup checkup;
	struct node node;
	struct error err;
	bool broken;
	int code = CHECKUP_EXIT_UNKNOWN;

	if (node_open(&invocation->options, &node, &broken, &err) < 0) {
		node_fail(&err);
	} else {
		struct look look = { .node = &node, .deep = deep, .broken_journal = broken ? err.message : NULL };

		checkup_init(&checkup);
		checkup.root = invocation->options.root;
		checkup.options = &look;
		code = show(invocation, &node, &checkup);
		checkup_clear(&checkup);
	}
	node_close(&node);
	return code;
}

static int show_check(const struct node_invocation *invocation, const struct node *node, struct checkup *checkup)
{
	return checkup_report(checkup, look_rows, look_rows_n, "holdfast-node", invocation->json);
}

static void print_json(const struct checkup *checkup, const char *now, const char *then, struct buf *out)
{
	buf_byte(out, '{');
	buf_json_member(out, "version", now);
	buf_json_member(out, "previous", then);
	checkup_print_json(checkup, out);
	buf_string(out, "}\n");
}

static int show_status(const struct node_invocation *invocation, const struct node *node, struct checkup *checkup)
{
	_cleanup_(buf_free) struct buf out = BUF_MAX(OUTPUT_MAX);
	char now[LISTING_ID_MAX], then[LISTING_ID_MAX];

	version_read(node->prefix, "current", now);
	version_read(node->prefix, "previous", then);
	checkup_run(checkup, look_rows, look_rows_n);
	if (invocation->json) {
		print_json(checkup, now, then, &out);
	} else {
		buf_printf(&out, "version %s, before it %s\n\n", *now ? now : "none", *then ? then : "none");
		checkup_print_text(checkup, &out);
	}
	if (checkup->lost || out.failed)
		return CHECKUP_EXIT_UNKNOWN;
	fputs(buf_text(&out), stdout);
	return EXIT_SUCCESS;
}

int command_check(int argc, char **argv)
{
	const struct node_invocation invocation = node_parse(argc, argv, "o");

	return invocation.bad || invocation.help ? node_usage(&invocation, check_usage) : look(&invocation, true, show_check);
}

int command_status(int argc, char **argv)
{
	const struct node_invocation invocation = node_parse(argc, argv, "o");

	return invocation.bad || invocation.help ? node_usage(&invocation, status_usage) : look(&invocation, false, show_status);
}
