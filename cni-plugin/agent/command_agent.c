// SPDX-License-Identifier: Apache-2.0
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "cni-plugin/agent/agent.h"
#include "cni-plugin/agent/commands.h"

static const char usage[] = "usage: holdfast-net agent [--config FILE] [--log-level=LEVEL] [--log-format=FORMAT]\n"
			    "\n"
			    "The daemon: follows Pods, Namespaces and NetworkPolicies and keeps this node's pods isolated.\n"
			    "\n"
			    "  --config FILE          section `network` of this file; default " CONFIG_DEFAULT_PATH "\n"
			    "  --print-config         print every key with its default, and end\n"
			    "  --log-level=LEVEL      debug, info, warn or error; overrides network.logLevel\n"
			    "  --log-format=FORMAT    logfmt or json; overrides network.logFormat\n"
			    "\n"
			    "Signals: SIGTERM and SIGINT end it; the rules stay in the kernel.\n";

struct agent_options {
	const char *config;
	const char *level, *format;
	bool print_config, help;
};

static int parse(int argc, char **argv, struct agent_options *ret)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "log-level", required_argument, NULL, 'l' },
		{ "log-format", required_argument, NULL, 'f' },
		{ "print-config", no_argument, NULL, 'p' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (c == 'c')
			ret->config = optarg;
		else if (c == 'l')
			ret->level = optarg;
		else if (c == 'f')
			ret->format = optarg;
		else if (c == 'p')
			ret->print_config = true;
		else if (c == 'h')
			ret->help = true;
		else
			return -1;
	}
	return optind == argc ? 0 : -1;
}

/* The command line's word over the file's. */
static bool set_up_log(const struct agent_options *options, const struct settings *settings)
{
	enum log_level level = settings ? (enum log_level)settings->log_level : LOG_LEVEL_INFO;
	enum log_format format = settings ? (enum log_format)settings->log_format : LOG_FORMAT_LOGFMT;

	if ((options->level && !log_level_parse(options->level, &level)) ||
	    (options->format && !log_format_parse(options->format, &format)))
		return false;
	log_setup(level, format);
	return true;
}

static int print_config(void)
{
	_cleanup_(buf_free) struct buf out = BUF_MAX(64 * 1024);

	settings_print(&out);
	fputs(buf_text(&out), stdout);
	return EXIT_SUCCESS;
}

static int run(const struct agent_options *options)
{
	_cleanup_(settings_clear) struct settings settings = { 0 };
	struct error err;

	int r = settings_load(options->config, &settings, &err);
	if (r == 0) {
		set_up_log(options, &settings);
		r = agent_run(&settings, &err);
	}
	if (r < 0)
		log_error("cannot run the agent", "error", err.message);
	return r == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int command_agent(int argc, char **argv)
{
	struct agent_options options = { 0 };

	if (parse(argc, argv, &options) < 0 || !set_up_log(&options, NULL)) {
		fputs(usage, stderr);
		return EXIT_USAGE;
	}
	if (options.help) {
		fputs(usage, stdout);
		return EXIT_SUCCESS;
	}
	return options.print_config ? print_config() : run(&options);
}
