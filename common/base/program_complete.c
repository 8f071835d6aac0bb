// SPDX-License-Identifier: Apache-2.0
/*
 * What a command takes is read from its own help (help.h), which it prints into a file without a name. A word that stands behind an option
 * with a value is its value; bash makes three words of "--option=value".
 */
#include "common/base/program_complete.h"

#include <ctype.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/base/array.h"
#include "common/base/buf.h"
#include "common/base/file.h"
#include "common/base/help.h"

#define HELP_MAX (64 * 1024)

enum directive { OFFER_FILES = 0, NO_FILES = 4 };

/* ── What is offered ── */

static bool begins_with(struct slice text, const char *prefix)
{
	struct slice rest;

	return slice_skip_prefix(text, prefix, &rest);
}

static void offer(const char *typed, struct slice word, struct slice about)
{
	if (!begins_with(word, typed))
		return;
	printf(SLICE_FORMAT, SLICE_ARGS(word));
	if (about.n)
		printf("\t" SLICE_FORMAT, SLICE_ARGS(about));
	putchar('\n');
}

static enum directive offer_commands(const struct program *program, const char *typed)
{
	for (size_t i = 0; i < program->n_commands; i++)
		offer(typed, slice_string(program->commands[i].name), slice_string(program->commands[i].summary));
	offer(typed, slice_string("completion"), slice_string(PROGRAM_COMPLETION_SUMMARY));
	offer(typed, slice_string("version"), slice_string(PROGRAM_VERSION_SUMMARY));
	return NO_FILES;
}

/* An option that stands in the help twice, in its usage and in a row, is offered once: with what the row says. */
static bool comes_again(struct help_cursor cursor, struct slice name)
{
	struct help_option option;

	while (help_next(&cursor, &option)) {
		if (slice_equals(option.name, name))
			return true;
	}
	return false;
}

static enum directive offer_options(const char *help, const char *typed)
{
	struct help_cursor cursor = help_begin(help);
	struct help_option option;

	while (help_next(&cursor, &option)) {
		if (!comes_again(cursor, option.name) && !slice_equals_string(option.name, "--help"))
			offer(typed, option.name, option.about);
	}
	offer(typed, slice_string("--help"), slice_string("what it does, and its options"));
	return NO_FILES;
}

static bool has_word(struct slice text, const char *word)
{
	return memmem(text.p, text.n, word, strlen(word));
}

/* What is written in capitals is a name of something, which the program may know. */
static void offer_known_values(const struct program *program, struct slice value, const char *typed)
{
	char name[64];

	if (!program->offer_values || !value.n || !isupper(value.p[0]))
		return;
	snprintf(name, sizeof(name), SLICE_FORMAT, SLICE_ARGS(value));
	fflush(stdout);
	program->offer_values(name, typed);
}

/* "text|json": one of these. */
static enum directive offer_values(const struct program *program, struct slice value, const char *typed)
{
	offer_known_values(program, value, typed);
	if (has_word(value, "FILE") || has_word(value, "DIRECTORY") || has_word(value, "PATH") || has_word(value, "BUNDLE"))
		return OFFER_FILES;
	while (value.n && islower(value.p[0])) {
		const uint8_t *bar = memchr(value.p, '|', value.n);
		size_t n = bar ? (size_t)(bar - value.p) : value.n;

		offer(typed, slice_from(value.p, n), slice_from(NULL, 0));
		value = slice_from(value.p + n + (bar != NULL), value.n - n - (bar != NULL));
	}
	return NO_FILES;
}

/* ── What is to be completed ── */

/* True if the option, "--output" or "-o", has a value. */
static bool find_option(const char *help, struct slice name, struct help_option *ret)
{
	struct help_cursor cursor = help_begin(help);

	while (help_next(&cursor, ret)) {
		if (slice_equals(ret->name, name) && ret->value.n)
			return true;
	}
	return false;
}

/* "--output", "=", "js": the words before the one that is typed. */
static const char *option_before(int argc, char **argv, const char **ret_typed)
{
	*ret_typed = argv[argc - 1];
	if (strcmp(argv[argc - 1], "=") == 0 && argc >= 2) {
		*ret_typed = "";
		return argv[argc - 2];
	}
	if (argc >= 3 && strcmp(argv[argc - 2], "=") == 0)
		return argv[argc - 3];
	return argc >= 2 ? argv[argc - 2] : "";
}

/* "--output=js" as one word, from shells that do not take it apart: the candidates have it, too. */
static enum directive offer_joined(struct slice value, const char *typed, size_t n)
{
	for (const uint8_t *at = value.p, *end = value.p + value.n; at < end && islower(*at);) {
		const uint8_t *bar = memchr(at, '|', (size_t)(end - at));
		size_t length = bar ? (size_t)(bar - at) : (size_t)(end - at);

		if (begins_with(slice_from(at, length), typed + n))
			printf("%.*s%.*s\n", (int)n, typed, (int)length, (const char *)at);
		at += length + 1;
	}
	return NO_FILES;
}

static enum directive complete_word(const struct program *program, const char *help, int argc, char **argv)
{
	struct help_option option;
	const char *typed;
	const char *before = option_before(argc, argv, &typed);
	const size_t n = strcspn(typed, "=");

	if (*typed == '-' && typed[n] == '=' && find_option(help, slice_from(typed, n), &option))
		return offer_joined(option.value, typed, n + 1);
	if (*before == '-' && find_option(help, slice_string(before), &option))
		return offer_values(program, option.value, typed);
	if (*typed != '-')
		offer_known_values(program, help_argument(help, argv[0]), typed);
	return offer_options(help, typed);
}

/* ── The command's own help ── */

static void print_help_to(int fd, const struct program_command *command)
{
	char name[64], option[] = "--help";
	char *argv[] = { name, option, NULL };
	int kept = dup(STDOUT_FILENO);

	snprintf(name, sizeof(name), "%s", command->name);
	fflush(stdout);
	if (kept >= 0 && dup2(fd, STDOUT_FILENO) >= 0) {
		optind = 0; /* getopt begins anew */
		command->run(2, argv);
		fflush(stdout);
		dup2(kept, STDOUT_FILENO);
	}
	if (kept >= 0)
		close(kept);
}

static void read_help(const struct program_command *command, struct buf *out)
{
	_cleanup_close_ int fd = memfd_create("help", MFD_CLOEXEC);

	if (fd < 0)
		return;
	print_help_to(fd, command);
	if (lseek(fd, 0, SEEK_SET) == 0)
		(void)!file_read_fd(fd, "help", out, NULL);
}

static enum directive complete(const struct program *program, int argc, char **argv)
{
	_cleanup_(buf_free) struct buf help = BUF_MAX(HELP_MAX);

	if (argc <= 1)
		return offer_commands(program, argc == 1 ? argv[0] : "");
	if (argc == 2 && strcmp(argv[0], "completion") == 0)
		return offer_values(program, slice_string(PROGRAM_SHELLS), argv[1]);
	for (size_t i = 0; i < program->n_commands; i++) {
		if (strcmp(argv[0], program->commands[i].name) != 0)
			continue;
		read_help(&program->commands[i], &help);
		return complete_word(program, buf_text(&help), argc, argv);
	}
	return NO_FILES;
}

int program_complete(const struct program *program, int argc, char **argv)
{
	printf(":%d\n", complete(program, argc, argv));
	return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* ── The scripts ── */

/* @P is the program's name, @F the same as a part of a function's name. */
struct shell {
	const char *name, *script;
};

static const struct shell shells[] = {
	{ "bash", "# bash completion of @P:  source <(@P completion bash)\n"
		  "_@F() {\n"
		  "\tlocal line directive=4\n"
		  "\tCOMPREPLY=()\n"
		  "\twhile IFS= read -r line; do\n"
		  "\t\tcase $line in\n"
		  "\t\t:*) directive=${line#:} ;;\n"
		  "\t\t*) COMPREPLY+=(\"${line%%$'\\t'*}\") ;;\n"
		  "\t\tesac\n"
		  "\tdone < <(\"$1\" __complete \"${COMP_WORDS[@]:1:COMP_CWORD}\" 2>/dev/null)\n"
		  "\t((directive)) || compopt -o default\n"
		  "}\n"
		  "complete -F _@F @P\n" },
	{ "zsh", "#compdef @P\n"
		 "# zsh completion of @P:  source <(@P completion zsh)\n"
		 "_@F() {\n"
		 "\tlocal line directive=4\n"
		 "\tlocal -a candidates\n"
		 "\tfor line in \"${(@f)$(\"${words[1]}\" __complete \"${(@)words[2,CURRENT]}\" 2>/dev/null)}\"; do\n"
		 "\t\tcase $line in\n"
		 "\t\t:*) directive=${line#:} ;;\n"
		 "\t\t*$'\\t'*) candidates+=(\"${${line%%$'\\t'*}//:/\\\\:}:${line#*$'\\t'}\") ;;\n"
		 "\t\t*) candidates+=(\"${line//:/\\\\:}\") ;;\n"
		 "\t\tesac\n"
		 "\tdone\n"
		 "\t(( ! $#candidates )) || _describe @P candidates\n"
		 "\t(( directive )) || _files\n"
		 "}\n"
		 "if [[ ${funcstack[1]} == _@F ]]; then _@F; else compdef _@F @P; fi\n" },
	{ "fish", "# fish completion of @P:  @P completion fish | source\n"
		  "function __@F_complete\n"
		  "\tset -l words (commandline -opc)\n"
		  "\tset -l typed (commandline -ct)\n"
		  "\tfor line in ($words[1] __complete $words[2..-1] \"$typed\" 2>/dev/null)\n"
		  "\t\tswitch $line\n"
		  "\t\t\tcase ':0'\n"
		  "\t\t\t\t__fish_complete_path \"$typed\"\n"
		  "\t\t\tcase ':*'\n"
		  "\t\t\tcase '*'\n"
		  "\t\t\t\techo $line\n"
		  "\t\tend\n"
		  "\tend\n"
		  "end\n"
		  "complete -c @P -f -a '(__@F_complete)'\n" },
};

static void print_name(const char *name, bool for_function)
{
	for (; *name; name++)
		putchar(for_function && *name == '-' ? '_' : *name);
}

static void print_script(const char *script, const char *name)
{
	for (; *script; script++) {
		if (script[0] != '@' || (script[1] != 'P' && script[1] != 'F'))
			putchar(*script);
		else
			print_name(name, *++script == 'F');
	}
}

int program_completion(const struct program *program, int argc, char **argv)
{
	for (size_t i = 0; argc == 2 && i < ELEMENTS_OF(shells); i++) {
		if (strcmp(argv[1], shells[i].name) != 0)
			continue;
		print_script(shells[i].script, program->name);
		return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
	}
	bool help = argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0);
	fprintf(help ? stdout : stderr,
		"usage: %s completion " PROGRAM_SHELLS "\n\n"
		"Prints a script that completes commands, options and their values in this shell.\n\n"
		"  source <(%s completion bash)\n",
		program->name, program->name);
	return help ? EXIT_SUCCESS : EXIT_USAGE;
}
