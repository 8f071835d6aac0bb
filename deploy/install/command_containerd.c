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
#include "kata-shim/cli/settings.h"

#define SHIMS_DEFAULT "/opt/holdfast/bin"

/* What pods may say to the shim whatever the rules are: the two that are built in, and Holdfast's own. */
#define ANNOTATIONS_ALWAYS "io.kubernetes.cri.untrusted-workload", "holdfast/*"
#define ANNOTATIONS_ALWAYS_N 2
#define ANNOTATIONS_MAX (ANNOTATIONS_ALWAYS_N + RULES_MAX * RULE_ANNOTATIONS_MAX)

static const char usage[] =
	"usage: holdfast-node containerd-config [--apply | --check | --remove] [--default-runtime] [--settings FILE] [--version VERSION]\n"
	"                                       [--layout NAME] [--config FILE] [--root DIRECTORY] [--shims DIRECTORY] [-o json]\n"
	"\n"
	"Gives containerd the handlers holdfast-kata and untrusted: in a file of its own where containerd (2.x) merges files, else in "
	"marked\n"
	"lines of the file that counts. No line of anybody else is changed. Without an action: prints what --apply would write.\n"
	"Exit code 0: done, or with --check: nothing is to be done; 1: not so, and why.\n"
	"\n"
	"  --apply                write it; says whether containerd must be restarted\n"
	"  --check                whether it is written, and containerd has read it\n"
	"  --remove               take it out again: the files are, byte for byte, what they were\n"
	"  --default-runtime      route also the pods that name no RuntimeClass\n"
	"  --settings FILE        holdfast.yaml, on the node: containerd must tell the shim the annotations that sandbox.rules look at;\n"
	"                         default " CONFIG_DEFAULT_PATH "\n"
	"  --version VERSION      of containerd; default: what `containerd --version` says\n"
	"  --layout NAME          k3s, rke2, k0s, microk8s or plain; default: what the node has\n"
	"  --config FILE          containerd's configuration; default: the layout's\n"
	"  --root DIRECTORY       where the node's files stand; default /\n"
	"  --shims DIRECTORY      where containerd finds the shims, on the node; default " SHIMS_DEFAULT "\n"
	"\n"
	"  holdfast-node containerd-config --root /host --version 1.7.29 --apply\n";

enum action { SHOW_PLAN, APPLY, CHECK, REMOVE };

struct options {
	enum action action;
	const char *version, *config, *root, *shims, *settings;
	const struct containerd_layout *layout;
	bool default_runtime, json, help, bad;
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
		{ "output", required_argument, NULL, 'o' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct options options = { .root = "", .shims = SHIMS_DEFAULT, .settings = CONFIG_DEFAULT_PATH };
	int c;

	while ((c = getopt_long(argc, argv, "ho:", known, NULL)) != -1)
		take(&options, c);
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

static bool has(const char *const *list, const char *key)
{
	for (; *list; list++) {
		if (strcmp(*list, key) == 0)
			return true;
	}
	return false;
}

/* `ret` ends in NULL; its texts are the rules'. */
static void collect_annotations(const struct rules *rules, const char *ret[static ANNOTATIONS_MAX + 1])
{
	static const char *const always[] = { ANNOTATIONS_ALWAYS };
	size_t n = ANNOTATIONS_ALWAYS_N;

	memcpy(ret, always, sizeof(always));
	ret[n] = NULL;
	for (size_t i = 0; i < rules->n; i++) {
		for (size_t k = 0; k < rules->items[i].n_annotations; k++) {
			if (has(ret, rules->items[i].annotations[k].key))
				continue;
			ret[n++] = rules->items[i].annotations[k].key;
			ret[n] = NULL;
		}
	}
}

static int load_settings(const struct options *options, struct settings *ret, struct error *err)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(CONTAINERD_FILE_MAX);
	char path[PATH_MAX];

	int r = containerd_host_path(options->root, options->settings, path, err);
	r = r < 0 ? r : file_read(path, &text, err);
	if (r < 0 && (r != -ENOENT || strcmp(options->settings, CONFIG_DEFAULT_PATH) != 0))
		return r;
	r = settings_parse(buf_view(&text), ret, err);
	return r < 0 ? error_wrap(err, "%s", path) : 0;
}

static int make_plan(const struct options *options, const struct containerd_site *site, struct containerd_plan *plan, struct error *err)
{
	_cleanup_(settings_clear) struct settings settings = { 0 };
	const char *annotations[ANNOTATIONS_MAX + 1];
	const struct containerd_wish wish = {
		.shims = options->shims,
		.annotations = annotations,
		.default_runtime = options->default_runtime,
	};

	if (options->action == REMOVE)
		return containerd_plan_make(site, NULL, plan, err);
	int r = load_settings(options, &settings, err);
	if (r < 0)
		return r;
	collect_annotations(&settings.rules, annotations);
	return containerd_plan_make(site, &wish, plan, err);
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

int command_containerd_config(int argc, char **argv)
{
	struct options options = parse(argc, argv);
	struct containerd_plan plan = { 0 };
	struct containerd_site site = { 0 };

	if (options.bad || options.help) {
		fputs(usage, options.bad ? stderr : stdout);
		return options.bad ? EXIT_USAGE : EXIT_SUCCESS;
	}
	int code = run(&options, &site, &plan);
	containerd_plan_clear(&plan);
	containerd_site_clear(&site);
	return code;
}
