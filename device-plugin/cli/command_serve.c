// SPDX-License-Identifier: Apache-2.0
#include "common/daemon/command.h"
#include "device-plugin/cli/commands.h"
#include "device-plugin/daemon/daemon.h"

static const char usage[] =
	"usage: holdfast-tpm serve [--config FILE] [--log-level=LEVEL] [--log-format=FORMAT]\n"
	"\n"
	"The daemon: offers the secrets that are sealed for this node to kubelet, and hands them to the pods that may have them.\n"
	"\n" DAEMON_OPTIONS_HELP("secrets") "\n"
					    "Signals: SIGTERM and SIGINT end it; pods that run keep what they have.\n";

static int load(const char *path, void *settings, struct error *err)
{
	return settings_load(path, settings, err);
}

static int run(void *settings, struct error *err)
{
	return daemon_run(settings, err);
}

static void clear(void *settings)
{
	settings_clear(settings);
}

int command_serve(int argc, char **argv)
{
	struct settings settings = { 0 };
	const struct daemon_command command = {
		.usage = usage,
		.what = "holdfast-tpm serve",
		.settings = &settings,
		.load = load,
		.print = settings_print,
		.log_level = &settings.log_level,
		.log_format = &settings.log_format,
		.run = run,
		.clear = clear,
	};

	return daemon_command(&command, argc, argv);
}
