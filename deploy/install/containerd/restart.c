// SPDX-License-Identifier: Apache-2.0
/*
 * A container has no way of its own to the node's init, and each init has another protocol. But the node has the programs that speak it, so
 * they are run where they belong:
 *
 *	holdfast-node ── fork ──► enters the node's namespaces ── fork, for the pid namespace ──► /bin/sh ──► systemctl restart
 *
 * The cgroup is left because what a start script leaves running would else be ended together with our pod. What the command says goes into
 * memory rather than through a pipe: a daemon that it starts may hold the pipe open for ever.
 */
#include "deploy/install/containerd/restart.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/wait.h>

#include "common/base/array.h"
#include "common/base/cleanup.h"
#include "common/base/show.h"

#define EXIT_NO_WAY 78  /* of the script: nothing has been done */
#define EXIT_NO_NODE 79 /* of us: the node's namespaces cannot be entered */
#define WORDS_MAX 300   /* bytes: the end of what the command says */

/*
 * systemd ends every process of a service's cgroup, and so the pods' shims, unless the service says KillMode=process, as containerd's own
 * unit, k3s' and RKE2's do.
 */
static const char script[] =
	"for s in \"$@\"; do\n"
	"	if [ -d /run/systemd/system ]; then\n"
	"		systemctl is-active --quiet \"$s\" || systemctl is-enabled --quiet \"$s\" 2>/dev/null || continue\n"
	"		mode=$(systemctl show --property=KillMode \"$s\")\n"
	"		case ${mode#KillMode=} in\n"
	"		process | none) ;;\n"
	"		*) echo \"$s.service has $mode: its restart would end every pod; let it have KillMode=process\"; exit 78 ;;\n"
	"		esac\n"
	"		systemctl reset-failed \"$s\" 2>/dev/null\n"
	"		exec systemctl restart \"$s\"\n"
	"	elif command -v rc-service >/dev/null; then\n"
	"		rc-service --exists \"$s\" || continue\n"
	"		[ \"$0\" != foreign ] || { echo 'OpenRC must see the node: give the pod hostPID: true'; exit 78; }\n"
	"		exec rc-service \"$s\" restart\n"
	"	fi\n"
	"done\n"
	"echo 'neither systemd nor OpenRC has a service here that is known to run it'\n"
	"exit 78\n";

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

static _Noreturn void run_shell(const struct containerd_layout *layout, const char *command, bool foreign)
{
	static const char *const environment[] = { "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/snap/bin", NULL };
	const char *argv[4 + CONTAINERD_SERVICES_MAX + 1] = { "sh", "-c", command ? command : script, foreign ? "foreign" : "own" };
	sigset_t none;

	for (size_t i = 0; i < CONTAINERD_SERVICES_MAX && layout->services[i]; i++)
		argv[4 + i] = layout->services[i];
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execve("/bin/sh", (char *const *)argv, (char *const *)environment);
	dprintf(STDERR_FILENO, "this node has no /bin/sh");
	_exit(EXIT_NO_WAY);
}

/* `output` is standard output of the command. */
static _Noreturn void child(const char *root, const struct containerd_layout *layout, const char *command, int output)
{
	bool foreign = false;
	int status;

	setsid();
	int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (dup2(nothing, STDIN_FILENO) < 0 || dup2(output, STDOUT_FILENO) < 0 || dup2(output, STDERR_FILENO) < 0)
		_exit(EXIT_NO_NODE);
	if (*root && !enter_node(root, &foreign)) {
		dprintf(STDERR_FILENO, "cannot enter the namespaces of %s/proc/1: %s; this must be root, with all capabilities", root,
			strerror(errno));
		_exit(EXIT_NO_NODE);
	}
	if (*root)
		leave_cgroup();
	pid_t pid = fork();
	if (pid == 0)
		run_shell(layout, command, foreign);
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || !WIFEXITED(status))
		_exit(EXIT_FAILURE);
	_exit(WEXITSTATUS(status));
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
	if (n == 0)
		kill(-pid, SIGKILL);
	waitpid(pid, ret_status, 0);
	return n == 0 ? -ETIMEDOUT : 0;
}

/* The last of what the command said, in one line. */
static void last_words(int output, char ret[static WORDS_MAX + 1])
{
	off_t size = lseek(output, 0, SEEK_END), from = size > WORDS_MAX ? size - WORDS_MAX : 0;
	ssize_t n = pread(output, ret, WORDS_MAX, from);

	while (n > 0 && (ret[n - 1] == '\n' || ret[n - 1] == ' '))
		n--;
	ret[n > 0 ? n : 0] = 0;
	for (char *c = strchr(ret, '\n'); c; c = strchr(c, '\n'))
		*c = ' ';
}

static int explain(int status, int output, const char *command, struct error *err)
{
	char words[WORDS_MAX + 1], clean[WORDS_MAX + 4];

	last_words(output, words);
	show_sentence(slice_string(*words ? words : "it said nothing"), clean, sizeof(clean));
	if (!WIFEXITED(status))
		return error_set(err, EIO, "the command that restarts containerd was ended by signal %d: %s", WTERMSIG(status), clean);
	if (WEXITSTATUS(status) == 0)
		return 0;
	if (WEXITSTATUS(status) == EXIT_NO_NODE || (WEXITSTATUS(status) == EXIT_NO_WAY && !command))
		return error_set(err, ENOTSUP, "%s", clean);
	return error_set(err, EIO, "the command that restarts containerd failed with exit code %d: %s", WEXITSTATUS(status), clean);
}

int containerd_restart(const char *root, const struct containerd_layout *layout, const char *command, uint64_t timeout_ms,
		       struct error *err)
{
	_cleanup_close_ int output = memfd_create("holdfast-restart", MFD_CLOEXEC);
	int status = 0;

	if (!command && !layout->services[0])
		return 0; /* it reads by itself what has changed */
	if (output < 0)
		return error_errno(err, errno, "cannot make a file for what the command says");
	pid_t pid = fork();
	if (pid < 0)
		return error_errno(err, errno, "cannot start a process");
	if (pid == 0)
		child(root, layout, command, output);
	if (wait_for(pid, timeout_ms, &status) < 0)
		return error_set(err, ETIMEDOUT, "the command that restarts containerd has not ended within %u s",
				 (unsigned)(timeout_ms / 1000));
	return explain(status, output, command, err);
}
