// SPDX-License-Identifier: Apache-2.0
/*
 * A stand-in for Kata's shim, which is in no registry: writes down all that reaches it, and imitates nothing else of Kata. Beside its own
 * executable it makes the directory `recorded` anew, with what /proc says of it and its standard input.
 *
 * A file there steers it: `refuse` (its text goes to stderr, status 3), `die` (killed by SIGUSR1), `hang` (stays until it is killed). Else
 * `start` leaves a process behind for two minutes, as shims do, prints an address and ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/cleanup.h"

static char home[4096]; /* the directory of the executable */

static void fail(const char *what)
{
	fprintf(stderr, "recording shim: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void find_home(void)
{
	ssize_t n = readlink("/proc/self/exe", home, sizeof(home) - 1);
	char *slash = n > 0 ? strrchr(home, '/') : NULL;

	if (!slash)
		fail("/proc/self/exe");
	*slash = 0;
}

static int open_beside(const char *name, int flags)
{
	char path[sizeof(home) + 64];

	snprintf(path, sizeof(path), "%s/%s", home, name);
	return open(path, flags | O_CLOEXEC, 0600);
}

static void copy(int from, const char *name)
{
	char path[64], block[4096];
	ssize_t n;

	snprintf(path, sizeof(path), "recorded/%s", name);
	_cleanup_close_ int to = open_beside(path, O_WRONLY | O_CREAT | O_TRUNC);
	if (to < 0 || from < 0)
		fail(name);
	while ((n = read(from, block, sizeof(block))) > 0) {
		if (write(to, block, (size_t)n) != n)
			fail(name);
	}
	if (n < 0)
		fail(name);
}

static void record_text(const char *name, const char *text)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0 || write(ends[1], text, strlen(text)) < 0)
		fail(name);
	close(ends[1]);
	copy(ends[0], name);
	close(ends[0]);
}

static void record_process(void)
{
	static const char *const files[] = { "cmdline", "environ", "comm" };
	char path[sizeof(home) + 64], text[4096] = "";

	snprintf(path, sizeof(path), "%s/recorded", home);
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		fail(path);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "/proc/self/%s", files[i]);
		_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
		copy(fd, files[i]);
	}
	if (readlink("/proc/self/cwd", text, sizeof(text) - 1) < 0)
		fail("cwd");
	record_text("cwd", text);
	snprintf(text, sizeof(text), "%d", (int)getpid());
	record_text("pid", text);
	copy(STDIN_FILENO, "stdin");
}

static void obey(void)
{
	int fd = open_beside("refuse", O_RDONLY);
	char text[512];

	if (fd >= 0) {
		ssize_t n = read(fd, text, sizeof(text));
		if (n > 0 && write(STDERR_FILENO, text, (size_t)n) == n)
			exit(3);
		exit(4);
	}
	if (open_beside("die", O_RDONLY) >= 0)
		raise(SIGUSR1);
	while (open_beside("hang", O_RDONLY) >= 0)
		pause();
}

static void leave_a_process(void)
{
	pid_t pid = fork();

	if (pid < 0)
		fail("fork");
	if (pid > 0)
		return;
	setsid();
	alarm(120); /* whatever becomes of the test */
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int fd = 0; fd <= 2; fd++)
		dup2(null, fd);
	for (;;)
		pause();
}

int main(int argc, char **argv)
{
	find_home();
	record_process();
	obey();
	if (strcmp(argv[argc - 1], "start") == 0) {
		leave_a_process();
		fputs("unix:///run/containerd/s/recorded", stdout);
	}
	return 0;
}
