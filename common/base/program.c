// SPDX-License-Identifier: Apache-2.0
#include "common/base/program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/program_complete.h"

#define COMPLETION "completion"

static void print_row(FILE *to, int width, const char *name, const char *summary)
{
	fprintf(to, "  %-*s  %s\n", width, name, summary);
}

static int width_of_names(const struct program *program)
{
	size_t width = strlen(COMPLETION);

	for (size_t i = 0; i < program->n_commands; i++) {
		size_t n = strlen(program->commands[i].name);
		width = n > width ? n : width;
	}
	return (int)width;
}

static void print_usage(const struct program *program, FILE *to)
{
	const int width = width_of_names(program);

	fprintf(to, "usage: %s COMMAND [OPTIONS]\n\n%s\n\n", program->name, program->purpose);
	for (size_t i = 0; i < program->n_commands; i++)
		print_row(to, width, program->commands[i].name, program->commands[i].summary);
	print_row(to, width, COMPLETION, PROGRAM_COMPLETION_SUMMARY);
	print_row(to, width, "version", PROGRAM_VERSION_SUMMARY);
	fprintf(to, "\nexamples:\n%s  %s COMMAND --help\n", program->examples, program->name);
}

static bool is_one_of(const char *word, const char *const names[2])
{
	return strcmp(word, names[0]) == 0 || strcmp(word, names[1]) == 0;
}

int program_run(const struct program *program, int argc, char **argv)
{
	static const char *const help[] = { "--help", "-h" }, *const version[] = { "version", "--version" };

	if (argc < 2) {
		print_usage(program, stderr);
		return EXIT_USAGE;
	}
	if (is_one_of(argv[1], help)) {
		print_usage(program, stdout);
		return EXIT_SUCCESS;
	}
	if (is_one_of(argv[1], version)) {
		printf("%s %s\n", program->name, program->version);
		return EXIT_SUCCESS;
	}
	if (strcmp(argv[1], COMPLETION) == 0)
		return program_completion(program, argc - 1, argv + 1);
	if (strcmp(argv[1], "__complete") == 0)
		return program_complete(program, argc - 2, argv + 2);
	for (size_t i = 0; i < program->n_commands; i++) {
		if (strcmp(argv[1], program->commands[i].name) == 0)
			return program->commands[i].run(argc - 1, argv + 1);
	}
	fprintf(stderr, "%s: there is no command \"%s\"\n", program->name, argv[1]);
	print_usage(program, stderr);
	return EXIT_USAGE;
}

bool program_take_format(const char *program, const char *format, bool *ret_json)
{
	*ret_json = strcmp(format, "json") == 0;
	if (*ret_json || strcmp(format, "text") == 0)
		return true;
	fprintf(stderr, "%s: -o takes text or json, not \"%s\"\n", program, format);
	return false;
}
