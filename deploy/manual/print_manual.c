// SPDX-License-Identifier: Apache-2.0
/*
 * Prints the manual page of a program, made of what the program says of itself with --help, and each of its commands. Not installed.
 *
 *	print_manual PROGRAM SECTION SEE-ALSO [COMMAND...]     without commands: those that `PROGRAM __complete ''` names
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/file.h"
#include "deploy/manual/troff.h"

#define TEXT_MAX (256 * 1024)
#define WORDS_MAX 16

struct page {
	const char *program, *name; /* its path; without the directory */
	const char *section, *see_also;
	struct buf out;
};

/* What a program of another machine is run by; none for this one's. */
#ifndef EMULATOR
#define EMULATOR
#endif

static void become(int fd, const char *const *argv)
{
	const char *words[WORDS_MAX] = { EMULATOR };
	size_t n = 0;

	while (words[n])
		n++;
	for (; *argv && n + 1 < WORDS_MAX; argv++)
		words[n++] = *argv;
	if (dup2(fd, STDOUT_FILENO) >= 0)
		execvp(words[0], (char **)words);
	_exit(127);
}

/* What a program prints, which must end well. */
static int ask(const char *const *argv, struct buf *out, struct error *err)
{
	int ends[2], status;

	if (pipe(ends) < 0)
		return error_errno(err, errno, "cannot run %s", argv[0]);
	pid_t pid = fork();
	if (pid == 0)
		become(ends[1], argv);
	close(ends[1]);
	int r = file_read_fd(ends[0], argv[0], out, err);
	close(ends[0]);
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
		return error_set(err, EIO, "%s %s has failed", argv[0], argv[1]);
	return r;
}

static int ask_help(const char *program, const char *command, struct buf *out, struct error *err)
{
	const char *const of_command[] = { program, command, "--help", NULL }, *const of_all[] = { program, "--help", NULL };

	return ask(command ? of_command : of_all, out, err);
}

/* The sentence that says what it is: behind the usage, or in the first line behind the version. */
static struct slice find_purpose(const char *help)
{
	const char *at = strncmp(help, "usage:", 6) == 0 ? strstr(help, "\n\n") : strstr(help, ": ");

	at = at ? at + 2 : help;
	size_t n = strcspn(at, "\n");
	return slice_from(at, n > 0 && at[n - 1] == '.' ? n - 1 : n);
}

static void print_head(struct page *page, const char *help)
{
	struct slice purpose = find_purpose(help);

	buf_string(&page->out, ".\\\" Made of the program's own help.\n.TH ");
	for (const char *c = page->name; *c; c++)
		buf_byte(&page->out, (uint8_t)toupper((unsigned char)*c));
	buf_printf(&page->out, " %s \"\" \"Holdfast %s\" \"Holdfast\"\n.ad l\n.nh\n.SH NAME\n", page->section, HOLDFAST_VERSION);
	troff_text(page->name, strlen(page->name), &page->out);
	buf_string(&page->out, " \\- ");
	troff_text((const char *)purpose.p, purpose.n, &page->out);
	buf_string(&page->out, "\n.SH DESCRIPTION\n");
	troff_help(help, &page->out);
}

/* What has no help of its own has its summary; that every command has one is held by a test, and keeps nobody from building. */
static void print_command(struct page *page, const char *command, const char *summary)
{
	_cleanup_(buf_free) struct buf help = BUF_MAX(TEXT_MAX);
	struct error err;

	buf_string(&page->out, ".SS ");
	troff_text(command, strlen(command), &page->out);
	buf_byte(&page->out, '\n');
	if (ask_help(page->program, command, &help, &err) < 0) {
		fprintf(stderr, "print_manual: %s\n", err.message);
		buf_clear(&help);
		buf_string(&help, summary);
	}
	troff_help(buf_text(&help), &page->out);
}

/* Lines "COMMAND<tab>what it does". `version` has no help, and needs none. */
static int print_known_commands(struct page *page, struct error *err)
{
	_cleanup_(buf_free) struct buf names = BUF_MAX(TEXT_MAX);
	const char *const argv[] = { page->program, "__complete", "", NULL };
	char *save = NULL;

	int r = ask(argv, &names, err);
	if (r < 0)
		return r;
	for (char *line = strtok_r((char *)names.p, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *summary = line + strcspn(line, "\t");

		summary += *summary ? 1 : 0;
		line[strcspn(line, "\t")] = 0;
		if (*line != ':' && strcmp(line, "version") != 0)
			print_command(page, line, summary);
	}
	return 0;
}

static int print(struct page *page, char **commands, struct error *err)
{
	_cleanup_(buf_free) struct buf help = BUF_MAX(TEXT_MAX);

	int r = ask_help(page->program, NULL, &help, err);
	if (r < 0)
		return r;
	print_head(page, buf_text(&help));
	buf_string(&page->out, ".SH COMMANDS\n");
	if (!*commands)
		r = print_known_commands(page, err);
	for (; *commands; commands++)
		print_command(page, *commands, "");
	buf_string(&page->out, ".SH SEE ALSO\n");
	troff_text(page->see_also, strlen(page->see_also), &page->out);
	buf_byte(&page->out, '\n');
	return r < 0 ? r : buf_check(&page->out, "manual page", err);
}

int main(int argc, char **argv)
{
	struct error err;

	if (argc < 4) {
		fputs("usage: print_manual PROGRAM SECTION SEE-ALSO [COMMAND...]\n", stderr);
		return EXIT_FAILURE;
	}
	const char *slash = strrchr(argv[1], '/');
	struct page page = { argv[1], slash ? slash + 1 : argv[1], argv[2], argv[3], BUF_MAX(TEXT_MAX) };
	int r = print(&page, argv + 4, &err);
	if (r == 0)
		fputs(buf_text(&page.out), stdout);
	else
		fprintf(stderr, "print_manual: %s\n", err.message);
	buf_free(&page.out);
	return r == 0 && fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
