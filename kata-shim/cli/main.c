// SPDX-License-Identifier: Apache-2.0
/*
 * The runtime shim. It is the program that containerd calls for a pod; it decides what the pod runs in, and the shim of that takes its
 * place in this very process. It must be invisible where it has nothing to do, and refuse where it cannot keep a promise: what fails here
 * fails the pod, and never lets it run in something else.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/program.h"
#include "kata-shim/cli/call.h"

static const char usage[] =
	PROGRAM " " HOLDFAST_VERSION ": chooses for each pod whether it runs in runc or in a VM\n\n"
		"containerd calls it, as the runtime_path of a handler; the name by which it is called says for which:\n"
		"containerd-shim-<handler>-v2. For people there are:\n\n"
		"  " PROGRAM " route --help      which rule decides for a bundle\n"
		"  " PROGRAM " self-test         boot a VM on this node, as a pod would\n"
		"  " PROGRAM " -v                the version\n";

static int show_version(const struct call *call, struct error *err)
{
	printf(PROGRAM ":\n  Version:  " HOLDFAST_VERSION "\n");
	return 0;
}

struct action_row {
	int (*run)(const struct call *call, struct error *err);
	bool has_container;
};

static const struct action_row actions[] = {
	[ACTION_START] = { call_start, true },
	[ACTION_DELETE] = { call_delete, true },
	[ACTION_VERSION] = { show_version },
	[ACTION_INFO] = { call_info },
};

static int check_container(const struct arguments *arguments, struct error *err)
{
	if (!arguments->id || !arguments->namespace)
		return error_set(err, EINVAL, "flag -%s is missing: containerd gives it", arguments->id ? "namespace" : "id");
	int r = spec_check_id("flag -id:", arguments->id, err);
	return r < 0 ? r : spec_check_id("flag -namespace:", arguments->namespace, err);
}

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static int run(int argc, char **argv, struct error *err)
{
	struct call call = { .words = argv, .began_ns = now() };

	int r = arguments_read(argc, argv, &call.arguments, err);
	if (r < 0)
		return r;
	log_setup(call.arguments.debug ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO, LOG_FORMAT_LOGFMT);
	const struct action_row *action = &actions[call.arguments.action];
	if (!action->run)
		return error_set(err, EINVAL, "nothing is asked for; see " PROGRAM " --help");
	if (call.arguments.action != ACTION_VERSION)
		r = route_handler(argv[0], call.handler, err);
	if (r == 0 && action->has_container)
		r = check_container(&call.arguments, err);
	return r < 0 ? r : action->run(&call, err);
}

static bool is_help(const char *word)
{
	return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "-help") == 0;
}

int main(int argc, char **argv)
{
	struct error err = {};

	if (argc >= 2 && strcmp(argv[1], "route") == 0)
		return command_route(argc - 1, argv + 1);
	if (argc >= 2 && strcmp(argv[1], "self-test") == 0)
		return command_self_test(argc - 1, argv + 1);
	if (argc < 2 || is_help(argv[1])) {
		fputs(usage, argc < 2 ? stderr : stdout);
		return argc < 2 ? EXIT_USAGE : EXIT_SUCCESS;
	}
	if (run(argc, argv, &err) == 0)
		return EXIT_SUCCESS;
	/* containerd puts it in the middle of a sentence of its own. */
	fprintf(stderr, PROGRAM ": %s%s", err.message, isatty(STDERR_FILENO) ? "\n" : "");
	return EXIT_FAILURE;
}
