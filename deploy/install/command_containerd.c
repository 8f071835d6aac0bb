// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/array.h"
#include "common/base/buf.h"
#include "common/base/file.h"
#include "common/base/show.h"
#include "deploy/install/commands.h"
#include "deploy/install/containerd/apply.h"
#include "deploy/install/containerd/life.h"
#include "deploy/install/containerd/wish.h"

#define STATE_DEFAULT "/var/lib/holdfast"

static const char usage[] =
	"usage: holdfast-node containerd-config [--apply | --check | --remove] [--default-runtime] [--settings FILE] [--version VERSION]\n"
	"                                       [--layout NAME] [--config FILE] [--root DIRECTORY] [--shims DIRECTORY] [-o json]\n"
	"                                       [--restart] [--restart-command COMMAND] [--state DIRECTORY] [--patience DURATION]\n"
	"\n"
	"Gives containerd the handlers holdfast-kata and untrusted: in a file of its own where containerd (2.x) merges files, else in "
	"marked\n"
	"lines of the file that counts. No line of anybody else is changed. Without an action: prints what --apply would write.\n"
	"Exit code 0: done, or with --check: nothing is to be done; 1: not so, and why.\n"
	"\n"
	"  --apply                write it; says whether containerd must be restarted\n"
	"  --check                whether it is written, and containerd has read it\n"
	"  --remove               take it out again: the files are, byte for byte, what they were\n"
	"  --restart              with --apply or --remove: have containerd read it, and wait until it answers; if it does not, or has\n"
	"                         lost a handler, all is put back and it is restarted again. Pods keep running. With --check: whether\n"
	"                         that was done\n"
	"  --restart-command CMD  for the node's /bin/sh; default: the node's systemd or OpenRC\n"
	"  --state DIRECTORY      where it is kept, on the node, what there was before; default " STATE_DEFAULT "\n"
	"  --patience DURATION    for the restart, and for the answer; default 2m\n"
	"  --default-runtime      route also the pods that name no RuntimeClass\n"
	"  --settings FILE        holdfast.yaml, on the node: containerd must tell the shim the annotations that sandbox.rules look at;\n"
	"                         default " CONFIG_DEFAULT_PATH "\n"
	"  --version VERSION      of containerd; default: what `containerd --version` says\n"
	"  --layout NAME          k3s, rke2, k0s, microk8s or plain; default: what the node has\n"
	"  --config FILE          containerd's configuration; default: the layout's\n"
	"  --root DIRECTORY       where the node's files stand; default /\n"
	"  --shims DIRECTORY      where containerd finds the shims, on the node; default " CONTAINERD_SHIMS_DEFAULT "\n"
	"\n"
	"  holdfast-node containerd-config --root /host --version 1.7.29 --apply\n";

enum action { SHOW_PLAN, APPLY, CHECK, REMOVE };

struct options {
	enum action action;
	const char *version, *config, *root, *shims, *settings, *state, *restart_command;
	const struct containerd_layout *layout;
	uint64_t patience_ms;
	bool default_runtime, restart, json, help, bad;
};

static void take_layout(struct options *options, const char *name)
{
	options->layout = containerd_layout_named(name);
	if (!options->layout) {
		fprintf(stderr, "holdfast-node: there is no layout \"%s\": k3s, rke2, k0s, microk8s or plain\n", SHOW(slice_string(name)));
		options->bad = true;
	}
}

static void take_action(struct options *options, enum action action)
{
	options->bad |= options->action != SHOW_PLAN;
	options->action = action;
}

static void take(struct options *options, int c)
{
	if (c == 'a')
		take_action(options, APPLY);
	else if (c == 'c')
		take_action(options, CHECK);
	else if (c == 'r')
		take_action(options, REMOVE);
	else if (c == 'd')
		options->default_runtime = true;
	else if (c == 'k')
		options->settings = optarg;
	else if (c == 'v')
		options->version = optarg;
	else if (c == 'l')
		take_layout(options, optarg);
	else if (c == 'f')
		options->config = optarg;
	else if (c == 'R')
		options->root = strcmp(optarg, "/") == 0 ? "" : optarg;
	else if (c == 's')
		options->shims = optarg;
	else if (c == 'x')
		options->restart = true;
	else if (c == 'C')
		options->restart_command = optarg;
	else if (c == 'S')
		options->state = optarg;
	else if (c == 'p')
		options->bad |= !config_parse_duration(optarg, &options->patience_ms);
	else if (c == 'o')
		options->bad |= !program_take_format("holdfast-node", optarg, &options->json);
	else if (c == 'h')
		options->help = true;
	else
		options->bad = true;
}

static struct options parse(int argc, char **argv)
{
	static const struct option known[] = {
		{ "apply", no_argument, NULL, 'a' },
		{ "check", no_argument, NULL, 'c' },
		{ "remove", no_argument, NULL, 'r' },
		{ "default-runtime", no_argument, NULL, 'd' },
		{ "settings", required_argument, NULL, 'k' },
		{ "version", required_argument, NULL, 'v' },
		{ "layout", required_argument, NULL, 'l' },
		{ "config", required_argument, NULL, 'f' },
		{ "root", required_argument, NULL, 'R' },
		{ "shims", required_argument, NULL, 's' },
		{ "restart", no_argument, NULL, 'x' },
		{ "restart-command", required_argument, NULL, 'C' },
		{ "state", required_argument, NULL, 'S' },
		{ "patience", required_argument, NULL, 'p' },
		{ "output", required_argument, NULL, 'o' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct options options = { .root = "", .shims = CONTAINERD_SHIMS_DEFAULT, .settings = CONFIG_DEFAULT_PATH, .state = STATE_DEFAULT };
	int c;

	while ((c = getopt_long(argc, argv, "ho:", known, NULL)) != -1)
		take(&options, c);
	options.bad |= options.restart && (options.action == SHOW_PLAN || options.json);
	options.bad |= optind != argc || *options.shims != '/' || (options.config && *options.config != '/');
	return options;
}

/* The third word of "containerd github.com/containerd/containerd/v2 v2.4.2 …". */
static int ask_version(char *text, size_t size, struct error *err)
{
	FILE *answer = popen("containerd --version", "re");
	char line[512] = "";
	int word = 0;

	bool got = answer && fgets(line, sizeof(line), answer);
	if (answer && pclose(answer) != 0)
		got = false;
	if (!got || sscanf(line, "%*s %*s %n", &word) < 0 || word == 0)
		return error_set(err, ENOENT, "`containerd --version` says nothing: give --version with what it says on the node");
	snprintf(text, size, "%.*s", (int)strcspn(line + word, " \n"), line + word);
	return 0;
}

/* As a person reads a difference: the lines that come. Those that go are ours. */
static void show_change(const struct containerd_change *change)
{
	printf("%s %s\n", change->text ? "write" : "remove", change->path);
	for (const char *line = change->text; line && *line;) {
		int n = (int)strcspn(line, "\n");

		printf("  | %.*s\n", n, line);
		line += n + (line[n] == '\n');
	}
}

static void print_json(const struct containerd_site *site, const struct containerd_plan *plan, bool restart)
{
	_cleanup_(buf_free) struct buf out = BUF_MAX(8 * CONTAINERD_FILE_MAX);

	buf_byte(&out, '{');
	buf_json_member(&out, "layout", site->layout->name);
	buf_json_member(&out, "config", site->layout->config);
	buf_json_number(&out, "schema", plan->schema);
	buf_json_key(&out, "changes");
	buf_byte(&out, '[');
	for (size_t i = 0; i < plan->n; i++) {
		buf_json_element(&out, '{');
		buf_json_member(&out, "path", plan->changes[i].path);
		if (plan->changes[i].text)
			buf_json_member(&out, "text", plan->changes[i].text);
		buf_byte(&out, '}');
	}
	buf_byte(&out, ']');
	buf_json_bool(&out, "restartNeeded", restart);
	buf_json_member(&out, "restart", site->layout->restart);
	buf_string(&out, "}\n");
	fputs(buf_text(&out), stdout);
}

static void print_text(const struct options *options, const struct containerd_site *site, const struct containerd_plan *plan, bool restart)
{
	bool done = options->action == APPLY || options->action == REMOVE;

	printf("%s: %s, containerd %u.%u\n", site->layout->name, site->layout->config, site->major, site->minor);
	for (size_t i = 0; i < plan->n; i++) {
		if (options->action == SHOW_PLAN)
			show_change(&plan->changes[i]);
		else
			printf("%s %s\n", done ? (plan->changes[i].text ? "wrote" : "removed") : "differs:", plan->changes[i].path);
	}
	if (plan->n == 0)
		puts(options->action == REMOVE ? "nothing of Holdfast is written there" : "all of it is written");
	if (restart)
		printf("containerd must read it: %s\n", site->layout->restart);
}

static int make_plan(const struct options *options, const struct containerd_site *site, struct containerd_plan *plan, struct error *err)
{
	_cleanup_(containerd_wished_clear) struct containerd_wished wished = { 0 };

	if (options->action == REMOVE)
		return containerd_plan_make(site, NULL, plan, err);
	int r = containerd_wish_load(options->root, options->settings, options->shims, options->default_runtime, &wished, err);
	return r < 0 ? r : containerd_plan_make(site, &wished.wish, plan, err);
}

static int act(const struct options *options, const struct containerd_site *site, struct containerd_plan *plan, struct error *err)
{
	int r = make_plan(options, site, plan, err);
	if (r == 0 && (options->action == APPLY || options->action == REMOVE))
		r = containerd_plan_apply(options->root, plan, err);
	return r;
}

static int run(const struct options *options, struct containerd_site *site, struct containerd_plan *plan)
{
	struct containerd_layout layout;
	char version[64];
	struct error err;
	int r = 0;

	if (options->version)
		snprintf(version, sizeof(version), "%s", options->version);
	else
		r = ask_version(version, sizeof(version), &err);
	r = r < 0 ? r : containerd_site_read(options->root, options->layout, options->config, version, &layout, site, &err);
	r = r < 0 ? r : act(options, site, plan, &err);
	if (r < 0) {
		fprintf(stderr, "holdfast-node: %s\n", err.message);
		return EXIT_FAILURE;
	}
	bool restart = plan->n > 0 || containerd_is_behind(options->root, site);
	if (options->json)
		print_json(site, plan, restart);
	else
		print_text(options, site, plan, restart);
	return options->action == CHECK && restart ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* With --restart: what the installer does. */
static int run_life(const struct options *options)
{
	const struct containerd_target target = {
		.root = options->root,
		.state_dir = options->state,
		.settings = options->settings,
		.shims = options->shims,
		.version = options->version,
		.layout = options->layout ? options->layout->name : NULL,
		.config = options->config,
		.restart_command = options->restart_command,
		.default_runtime = options->default_runtime,
		.may_restart = true,
		.patience_ms = options->patience_ms,
	};
	struct containerd_outcome outcome;
	struct error err;
	int r;

	if (options->action == CHECK)
		r = containerd_check(&target, &outcome, &err);
	else
		r = (options->action == APPLY ? containerd_install : containerd_uninstall)(&target, &outcome, &err);
	if (r < 0)
		fprintf(stderr, "holdfast-node: %s\n", err.message);
	else
		printf("%s%s\n", outcome.message, outcome.restarted ? "; it was restarted" : "");
	return r == 0 && outcome.state == CONTAINERD_DONE ? EXIT_SUCCESS : EXIT_FAILURE;
}

int command_containerd_config(int argc, char **argv)
{
	struct options options = parse(argc, argv);
	struct containerd_plan plan = { 0 };
	struct containerd_site site = { 0 };

	if (options.bad || options.help) {
		fputs(usage, options.bad ? stderr : stdout);
		return options.bad ? EXIT_USAGE : EXIT_SUCCESS;
	}
	int code = options.restart ? run_life(&options) : run(&options, &site, &plan);
	containerd_plan_clear(&plan);
	containerd_site_clear(&site);
	return code;
}
