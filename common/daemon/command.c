// SPDX-License-Identifier: Apache-2.0
#include "common/daemon/command.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/program.h"

#define CONFIG_TEXT_MAX (64 * 1024)

struct options {
	const char *config;
	const char *level, *format;
	bool print_config, help;
};

static int parse(int argc, char **argv, struct options *ret)
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
static bool set_up_log(const struct options *options, enum log_level level, enum log_format format)
{
	if ((options->level && !log_level_parse(options->level, &level)) ||
	    (options->format && !log_format_parse(options->format, &format)))
		return false;
	log_setup(level, format);
	return true;
}

static int print_config(const struct daemon_command *command)
{
	_cleanup_(buf_free) struct buf out = BUF_MAX(CONFIG_TEXT_MAX);

	command->print(&out);
	fputs(buf_text(&out), stdout);
	return EXIT_SUCCESS;
}

static int run(const struct daemon_command *command, const struct options *options)
{
	struct error err;

	int r = command->load(options->config, command->settings, &err);
	if (r == 0) {
		set_up_log(options, (enum log_level)*command->log_level, (enum log_format)*command->log_format);
		r = command->run(command->settings, &err);
		command->clear(command->settings);
	}
	if (r < 0)
		log_error("the daemon cannot run", "daemon", command->what, "error", err.message);
	return r == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int daemon_command(const struct daemon_command *command, int argc, char **argv)
{
	struct options options = { 0 };

	if (parse(argc, argv, &options) < 0 || !set_up_log(&options, LOG_LEVEL_INFO, LOG_FORMAT_LOGFMT)) {
		fputs(command->usage, stderr);
		return EXIT_USAGE;
	}
	if (options.help) {
		fputs(command->usage, stdout);
		return EXIT_SUCCESS;
	}
	return options.print_config ? print_config(command) : run(command, &options);
}
