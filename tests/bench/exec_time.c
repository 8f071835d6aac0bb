// SPDX-License-Identifier: Apache-2.0
/*
 * Times whole executions of one program, from spawn to exit, as a container runtime would see them. Prints one line of JSON.
 *
 *	exec_time NAME COUNT STDIN-FILE PROGRAM [ARGUMENT...]
 *
 * The environment goes to the program as it is. What it leaves behind is killed before the next execution, and is not timed. Where
 * CNI_COMMAND is ADD, every execution is followed by one with DEL that is not timed, so that each ADD does all its work. Some
 * executions at the beginning are left out as warm-up.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#include "common/base/cleanup.h"
#include "common/base/number.h"

extern char **environ;

#define WARM_UP 10
#define COUNT_MAX 100000

static double now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* Orphans become the children of a subreaper. */
static void kill_orphans(void)
{
	FILE *children = fopen("/proc/thread-self/children", "re");
	int pid;

	while (children && fscanf(children, "%d", &pid) == 1)
		kill(pid, SIGKILL);
	if (children)
		fclose(children);
	while (wait(NULL) > 0)
		;
}

static int run_once(char **argv, const char *input, double *ret_ms)
{
	posix_spawn_file_actions_t actions;
	pid_t pid;
	int status;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, input, O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
	double start = now_ms();
	int r = posix_spawn(&pid, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (r != 0) {
		fprintf(stderr, "cannot start %s: %s\n", argv[0], strerror(r));
		return -1;
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	*ret_ms = now_ms() - start;
	kill_orphans();
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	fprintf(stderr, "%s ended with status %d\n", argv[0], status);
	return -1;
}

static int run_and_undo(char **argv, const char *input, double *ret_ms)
{
	const char *command = getenv("CNI_COMMAND");
	double ignored;

	if (run_once(argv, input, ret_ms) < 0)
		return -1;
	if (!command || strcmp(command, "ADD") != 0)
		return 0;
	setenv("CNI_COMMAND", "DEL", 1);
	int r = run_once(argv, input, &ignored);
	setenv("CNI_COMMAND", "ADD", 1);
	return r;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	uint32_t count;
	double ignored;

	if (argc < 5 || number_parse_u32(slice_string(argv[2]), 1, COUNT_MAX, &count, NULL) < 0) {
		fprintf(stderr, "usage: %s NAME COUNT STDIN-FILE PROGRAM [ARGUMENT...]\n", argv[0]);
		return 2;
	}
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	_cleanup_free_ double *ms = calloc(count, sizeof(*ms));
	if (!ms)
		return 1;
	for (int i = 0; i < WARM_UP; i++) {
		if (run_and_undo(argv + 4, argv[3], &ignored) < 0)
			return 1;
	}
	for (uint32_t i = 0; i < count; i++) {
		if (run_and_undo(argv + 4, argv[3], &ms[i]) < 0)
			return 1;
	}
	qsort(ms, count, sizeof(*ms), by_value);
	printf("{\"what\": \"%s\", \"n\": %u, \"p50_ms\": %.3f, \"p95_ms\": %.3f, \"p99_ms\": %.3f}\n", argv[1], count, ms[count / 2],
	       ms[(size_t)count * 95 / 100], ms[(size_t)count * 99 / 100]);
	return 0;
}
