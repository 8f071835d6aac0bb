// SPDX-License-Identifier: Apache-2.0
/* `route`: what was decided for a bundle, what would be decided now, and by which rule. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/program.h"
#include "common/base/show.h"
#include "kata-shim/bundle/bundle.h"
#include "kata-shim/cli/call.h"

#define OUTPUT_MAX (64 * 1024)

static const char usage[] = "usage: " PROGRAM " route --explain BUNDLE [--handler NAME]\n"
			    "       " PROGRAM " route --print-config\n\n"
			    "Says in what the pod of a bundle runs, in what it would run if it were made now, and which rule decides.\n\n"
			    "  --explain BUNDLE  /run/containerd/io.containerd.runtime.v2.task/k8s.io/<sandbox id>\n"
			    "  --handler NAME    as if containerd had called us for this handler; default: as it did for the bundle\n"
			    "  --print-config    the section sandbox of holdfast.yaml, every key with its default\n";

/* containerd notes by which name it called the shim; before it has, the default handler is assumed. */
static void find_handler(int bundle, char ret[static ROUTE_HANDLER_MAX + 1])
{
	_cleanup_(buf_free) struct buf path = BUF_MAX(PATH_MAX);

	if (bundle_read_file(bundle, "shim-binary-path", false, &path, NULL) < 0 || route_handler(buf_text(&path), ret, NULL) < 0)
		snprintf(ret, ROUTE_HANDLER_MAX + 1, "holdfast");
}

static const char *shown(const char *text, struct show *room)
{
	*room = show_text(slice_string(text ? text : "unknown"));
	return room->text;
}

static void print_subject(const struct spec *spec, const char *handler, struct buf *out)
{
	struct show namespace, name, uid;

	if (spec->kind == SPEC_ALONE)
		buf_string(out, "pod      none: a container of its own\n");
	else
		buf_printf(out, "pod      %s/%s, UID %s\n", shown(spec->namespace, &namespace), shown(spec->name, &name),
			   shown(spec->uid, &uid));
	buf_printf(out, "handler  %s\n", handler);
}

static void print_decision(int bundle, struct buf *out)
{
	struct decision decision;
	struct error err;

	int r = decision_read(bundle, &decision, &err);
	if (r == -ENOENT)
		buf_string(out, "decided  nothing: there is no " DECISION_FILE " in the bundle\n");
	else if (r < 0)
		buf_printf(out, "decided  cannot be read: %s\n", err.message);
	else
		buf_printf(out, "decided  %s (%s)%s%s%s%s\n", backend_names[decision.backend], decision.why, *decision.shim ? ", by " : "",
			   decision.shim, *decision.kata_config ? ", configuration " : "", decision.kata_config);
}

static int print_now(const struct spec *spec, const char *handler, struct buf *out, struct error *err)
{
	_cleanup_(settings_clear) struct settings settings = {};
	const struct route_question question = { handler, spec };
	struct route route;

	int r = settings_load(&settings, err);
	if (r < 0)
		return r;
	if (route_decide(&settings.rules, &question, &route, err) < 0)
		buf_printf(out, "now      refused: %s\n", err->message);
	else
		buf_printf(out, "now      %s (%s)\n", backend_names[route.backend], route.why);
	route_explain(&settings.rules, &question, out);
	return 0;
}

static int explain_sandbox(int bundle, const struct spec *spec, const char *given, struct error *err)
{
	_cleanup_(buf_free) struct buf out = BUF_MAX(OUTPUT_MAX);
	char handler[ROUTE_HANDLER_MAX + 1];

	find_handler(bundle, handler);
	if (given)
		snprintf(handler, sizeof(handler), "%s", given);
	print_subject(spec, handler, &out);
	print_decision(bundle, &out);
	int r = print_now(spec, handler, &out, err);
	fputs(buf_text(&out), stdout);
	return r;
}

static int explain(const char *path, const char *handler, struct error *err)
{
	_cleanup_(spec_clear) struct spec spec = {}, sandbox_spec = {};
	_cleanup_close_ int bundle = -1, sandbox = -1;

	int r = bundle_open(path, &bundle, err);
	if (r == 0)
		r = bundle_read_spec(bundle, &spec, err);
	if (r < 0 || spec.kind != SPEC_CONTAINER)
		return r < 0 ? r : explain_sandbox(bundle, &spec, handler, err);
	printf("bundle   a container's; it follows sandbox %s\n", spec.sandbox_id);
	r = bundle_open_beside(bundle, spec.sandbox_id, &sandbox, err);
	if (r == 0)
		r = bundle_read_spec(sandbox, &sandbox_spec, err);
	return r < 0 ? error_wrap(err, "sandbox %s", spec.sandbox_id) : explain_sandbox(sandbox, &sandbox_spec, handler, err);
}

static int print_config(void)
{
	_cleanup_(buf_free) struct buf out = BUF_MAX(OUTPUT_MAX);

	settings_print(&out);
	fputs(buf_text(&out), stdout);
	return EXIT_SUCCESS;
}

int command_route(int argc, char **argv)
{
	static const struct option options[] = {
		{ "explain", required_argument, NULL, 'e' },
		{ "handler", required_argument, NULL, 'n' },
		{ "print-config", no_argument, NULL, 'p' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	const char *bundle = NULL, *handler = NULL;
	struct error err;
	int c;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0) {
		if (c == 'p')
			return print_config();
		if (c == 'e')
			bundle = optarg;
		else if (c == 'n')
			handler = optarg;
		else {
			fputs(usage, c == 'h' ? stdout : stderr);
			return c == 'h' ? EXIT_SUCCESS : EXIT_USAGE;
		}
	}
	if (!bundle || optind < argc) {
		fputs(usage, stderr);
		return EXIT_USAGE;
	}
	if (explain(bundle, handler, &err) == 0)
		return EXIT_SUCCESS;
	fprintf(stderr, PROGRAM ": %s\n", err.message);
	return EXIT_FAILURE;
}
