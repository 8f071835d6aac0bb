// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_BASE_PROGRAM_H
#define HOLDFAST_BASE_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>

/* A program of subcommands: `holdfast-net status`. */

#define EXIT_USAGE 2 /* of a command line that makes no sense; also when a daemon cannot be asked */

struct program_command {
	const char *name, *summary;
	int (*run)(int argc, char **argv); /* argv[0] is the subcommand; returns the exit code and prints its own errors */
};

struct program {
	const char *name, *version;
	const char *purpose; /* a sentence */
	const struct program_command *commands;
	size_t n_commands;
	const char *examples; /* lines, each with two spaces before and a newline behind */
	/* For completion: prints a line for each value that begins with `typed` and that the help calls `name`, "NODE". NULL: knows none. */
	void (*offer_values)(const char *name, const char *typed);
};

/* Rows that every program has. */
#define PROGRAM_SHELLS "bash|zsh|fish"
#define PROGRAM_COMPLETION_SUMMARY "print a script that completes in bash, zsh or fish"
#define PROGRAM_VERSION_SUMMARY "print the version"

/* Runs what argv[1] names; `completion`, `version` and the help are there without a row of their own. Returns the exit code. */
int program_run(const struct program *program, int argc, char **argv);

/* "-o json", "-o text". False: it is neither, and the program (its name is `program`) has said so. */
bool program_take_format(const char *program, const char *format, bool *ret_json);

#endif
