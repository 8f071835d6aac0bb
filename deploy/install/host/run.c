// SPDX-License-Identifier: Apache-2.0
/*
 * A container has no way of its own to the node's init or to its kernel modules, and each init has another protocol. But the node has the
 * programs that know, so they are run where they belong:
 *
 *	holdfast-node ── fork ──► enters the node's namespaces ── fork, for the pid namespace ──► /bin/sh ──► systemctl restart
 *
 * The cgroup is left because what a start script leaves running would else be ended together with our pod. What the script says goes into
 * memory rather than through a pipe: a daemon that it starts may hold the pipe open for ever.
 */
#include "deploy/install/host/run.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/wait.h>

#include "common/base/array.h"
#include "common/base/cleanup.h"
#include "common/base/show.h"

#define EXIT_NO_SHELL 127
#define ENTERED 'e' /* what the child writes when it is on the node */

/*
 * All of them are opened first: when the mounts are the node's, `root` is not there any more. The kernel lets nobody into a pid namespace
 * above his own (pid_namespaces(7)); systemd does not need that, as it is only asked.
 */
static bool enter_node(const char *root, bool *ret_foreign)
{
	static const char *const names[] = { "pid", "net", "ipc", "uts", "cgroup", "mnt" };
	int fds[ELEMENTS_OF(names)];

	for (size_t i = 0; i < ELEMENTS_OF(names); i++) {
		char path[PATH_MAX];

		snprintf(path, sizeof(path), "%s/proc/1/ns/%s", root, names[i]);
		fds[i] = open(path, O_RDONLY | O_CLOEXEC);
		if (fds[i] < 0)
			return false;
	}
	*ret_foreign = setns(fds[0], 0) < 0;
	for (size_t i = 1; i < ELEMENTS_OF(names); i++) {
		if (setns(fds[i], 0) < 0)
			return false;
	}
	return true;
}

static void join_cgroup(const char *procs)
{
	_cleanup_close_ int fd = open(procs, O_WRONLY | O_CLOEXEC);

	if (fd >= 0 && write(fd, "0", 1) < 0)
		return; /* the command runs all the same */
}

/* To the top of each hierarchy, of version 2 or 1. */
static void leave_cgroup(void)
{
	glob_t found;

	if (access("/sys/fs/cgroup/cgroup.procs", F_OK) == 0) {
		join_cgroup("/sys/fs/cgroup/cgroup.procs");
		return;
	}
	if (glob("/sys/fs/cgroup/*/cgroup.procs", 0, NULL, &found) != 0)
		return;
	for (size_t i = 0; i < found.gl_pathc; i++)
		join_cgroup(found.gl_pathv[i]);
	globfree(&found);
}

/* A handler of our own would say in a child what it says in us: libuv's writes to a pipe that we read. */
static void forget_handlers(void)
{
	for (int number = 1; number < NSIG; number++)
		signal(number, SIG_DFL); /* of two it cannot be, nor of libc's own: they are so */
}

static _Noreturn void run_shell(const struct host_script *script, bool foreign)
{
	static const char *const environment[] = { "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/snap/bin", NULL };
	const char *argv[4 + HOST_ARGUMENTS_MAX + 1] = { "sh", "-c", script->text, foreign ? "foreign" : "own" };
	sigset_t none;

	for (size_t i = 0; i < HOST_ARGUMENTS_MAX && script->arguments && script->arguments[i]; i++)
		argv[4 + i] = script->arguments[i];
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execve("/bin/sh", (char *const *)argv, (char *const *)environment);
	dprintf(STDERR_FILENO, "this node has no /bin/sh");
	_exit(EXIT_NO_SHELL);
}

/* `output` is what the script says, and before that why it cannot run; `entered` hears that it can. */
static _Noreturn void child(const struct host_script *script, int output, int entered)
{
	bool foreign = false;
	int status;

	forget_handlers();
	setsid();
	int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (dup2(nothing, STDIN_FILENO) < 0 || dup2(output, STDOUT_FILENO) < 0 || dup2(output, STDERR_FILENO) < 0)
		_exit(EXIT_FAILURE);
	if (*script->root && !enter_node(script->root, &foreign)) {
		dprintf(STDERR_FILENO, "cannot enter the namespaces of %s/proc/1: %s; this must be root, with all capabilities",
			script->root, strerror(errno));
		_exit(EXIT_FAILURE);
	}
	if (*script->root)
		leave_cgroup();
	pid_t pid = write(entered, &(char){ ENTERED }, 1) == 1 ? fork() : -1;
	if (pid == 0)
		run_shell(script, foreign);
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		_exit(EXIT_FAILURE);
	if (WIFSIGNALED(status))
		kill(getpid(), WTERMSIG(status));
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILURE);
}

/* Waits for the child, and ends it with all that it has started when the time is over. */
static int wait_for(pid_t pid, uint64_t timeout_ms, int *ret_status)
{
	_cleanup_close_ int fd = pidfd_open(pid, 0);
	struct pollfd ended = { .fd = fd, .events = POLLIN };
	int n;

	do
		n = fd < 0 ? 1 : poll(&ended, 1, (int)timeout_ms); /* a kernel without pidfd (before 5.3): without a limit */
	while (n < 0 && errno == EINTR);
	if (n == 0 && kill(-pid, SIGKILL) < 0)
		kill(pid, SIGKILL); /* it has not come so far as to have a group, or anybody in it */
	waitpid(pid, ret_status, 0);
	return n == 0 ? -ETIMEDOUT : 0;
}

/* The last of what the script said, in one line. */
static void last_words(int output, char ret[static HOST_WORDS_MAX])
{
	char words[HOST_WORDS_MAX];
	off_t size = lseek(output, 0, SEEK_END), most = HOST_WORDS_MAX - 4;
	ssize_t n = pread(output, words, (size_t)most, size > most ? size - most : 0);

	while (n > 0 && (words[n - 1] == '\n' || words[n - 1] == ' '))
		n--;
	words[n > 0 ? n : 0] = 0;
	for (char *c = strchr(words, '\n'); c; c = strchr(c, '\n'))
		*c = ' ';
	show_sentence(slice_string(words), ret, HOST_WORDS_MAX);
}

static int answer(int status, int output, int entered, struct host_answer *ret, struct error *err)
{
	char byte;

	last_words(output, ret->words);
	if (read(entered, &byte, 1) != 1)
		return error_set(err, ENOTSUP, "%s", ret->words);
	if (!WIFEXITED(status))
		return error_set(err, EIO, "it was ended by signal %d: %s", WTERMSIG(status), ret->words);
	ret->code = WEXITSTATUS(status);
	return 0;
}

int host_run(const struct host_script *script, struct host_answer *ret, struct error *err)
{
	_cleanup_close_ int output = memfd_create("holdfast-node", MFD_CLOEXEC), hear = -1, tell = -1;
	int ends[2], status = 0;

	if (output < 0 || pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return error_errno(err, errno, "cannot make a file for what a script says");
	hear = ends[0];
	tell = ends[1];
	pid_t pid = fork();
	if (pid < 0)
		return error_errno(err, errno, "cannot start a process");
	if (pid == 0)
		child(script, output, tell);
	if (wait_for(pid, script->timeout_ms, &status) < 0)
		return error_set(err, ETIMEDOUT, "it has not ended within %u s", (unsigned)(script->timeout_ms / 1000));
	return answer(status, output, hear, ret, err);
}
