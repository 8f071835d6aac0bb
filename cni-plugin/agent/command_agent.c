// SPDX-License-Identifier: Apache-2.0
#include "cni-plugin/agent/agent.h"
#include "cni-plugin/agent/commands.h"
#include "common/daemon/command.h"

static const char usage[] = "usage: holdfast-net agent [--config FILE] [--log-level=LEVEL] [--log-format=FORMAT]\n"
			    "\n"
			    "The daemon: follows Pods, Namespaces and NetworkPolicies and keeps this node's pods isolated.\n"
			    "\n" DAEMON_OPTIONS_HELP("network") "\n"
								"Signals: SIGTERM and SIGINT end it; the rules stay in the kernel.\n";

static int load(const char *path, void *settings, struct error *err)
{
	return settings_load(path, settings, err);
}

static int run(void *settings, struct error *err)
{
	return agent_run(settings, err);
}

static void clear(void *settings)
{
	settings_clear(settings);
}

int command_agent(int argc, char **argv)
{
	struct settings settings = { 0 };
	const struct daemon_command command = {
		.usage = usage,
		.what = "agent",
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
