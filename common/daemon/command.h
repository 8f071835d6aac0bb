// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_DAEMON_COMMAND_H
#define HOLDFAST_DAEMON_COMMAND_H

#include "common/base/buf.h"
#include "common/base/error.h"
#include "common/base/log.h"
#include "common/config/config.h"

/* The command that runs a daemon: `holdfast-net agent`, `holdfast-tpm serve`. */
struct daemon_command {
	const char *usage; /* its text, with the options below; DAEMON_OPTIONS_HELP */
	const char *what;  /* "agent": for messages */
	void *settings;    /* that load fills and run reads */
	/* `path` NULL: the default one. */
	int (*load)(const char *path, void *settings, struct error *err);
	void (*print)(struct buf *out);                /* every key with its default */
	const int *log_level, *log_format;             /* of the settings, after load */
	int (*run)(void *settings, struct error *err); /* until it is told to end; the exit code, or a negative errno */
	void (*clear)(void *settings);
};

/* For usage: what every daemon's section has. `section` is a literal. */
#define DAEMON_OPTIONS_HELP(section)                                                                                                       \
	"  --config FILE          section `" section "` of this file; default " CONFIG_DEFAULT_PATH "\n"                                   \
	"  --print-config         print every key with its default, and end\n"                                                             \
	"  --log-level=LEVEL      debug, info, warn or error; overrides " section ".logLevel\n"                                            \
	"  --log-format=FORMAT    logfmt or json; overrides " section ".logFormat\n"

int daemon_command(const struct daemon_command *command, int argc, char **argv);

#endif
