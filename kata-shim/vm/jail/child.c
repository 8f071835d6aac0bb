// SPDX-License-Identifier: Apache-2.0
/*
 * clone as fork: with its own copy of our few pages, a child may change ids and namespaces without any danger for us. What it has to say
 * comes through a pipe that execve closes:
 *
 *	parent ──clone───► child ── function ── error → pipe, exit 1
 *	  │ read(pipe)             ├─ 0, 1… → exit with it   pipe ends
 *	  ▼                        └─ execve              pipe ends
 */
#include "kata-shim/vm/jail/child.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/cleanup.h"

/* The child's end of the pipe is where no program wants a descriptor. */
#define PIPE_FROM 512

/* By clone unless it must be clone3, into whose arguments a filter of system calls cannot look (harden.c). */
static pid_t do_clone(uint64_t flags, int cgroup, int exit_signal, int *ret_pidfd)
{
	if (cgroup < 0)
		return (pid_t)syscall(SYS_clone, flags | CLONE_PIDFD | (uint64_t)exit_signal, NULL, ret_pidfd, 0, 0);

	struct clone_args arguments = {
		.flags = flags | CLONE_PIDFD | CLONE_INTO_CGROUP,
		.pidfd = (uint64_t)(uintptr_t)ret_pidfd,
		.exit_signal = (uint64_t)exit_signal,
		.cgroup = (uint64_t)cgroup,
	};

	return (pid_t)syscall(SYS_clone3, &arguments, sizeof(arguments));
}

static _Noreturn void be_child(child_function *function, void *context, int report)
{
	struct error err = { 0 };

	int r = function(context, &err);
	if (r >= 0)
		_exit(r);
	_exit(write(report, &err, sizeof(err)) == sizeof(err) ? 1 : 2);
}

/* An error that the child has sent. It may also have been killed before it could. */
static int take_report(int report, struct error *err)
{
	struct error sent = { 0 };
	ssize_t n;

	do
		n = read(report, &sent, sizeof(sent));
	while (n < 0 && errno == EINTR);
	if (n == 0)
		return 0;
	if (n != sizeof(sent) || sent.code <= 0)
		return error_set(err, EIO, "a child process was cut off");
	sent.message[sizeof(sent.message) - 1] = '\0';
	return error_set(err, sent.code, "%s", sent.message);
}

static int reap(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, __WALL) < 0)
		if (errno != EINTR)
			return -1;
	return status;
}

static int make_pipe(int *ret_read, int *ret_write, struct error *err)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_errno(err, errno, "cannot make a pipe");
	int high = fcntl(ends[1], F_DUPFD_CLOEXEC, PIPE_FROM);
	int r = high < 0 ? error_errno(err, errno, "cannot have a descriptor above %d", PIPE_FROM) : 0;
	close(ends[1]);
	if (r < 0) {
		close(ends[0]);
		return r;
	}
	*ret_read = ends[0];
	*ret_write = high;
	return 0;
}

static int start(uint64_t flags, int cgroup, int exit_signal, child_function *function, void *context, struct child *ret, struct error *err)
{
	_cleanup_close_ int report = -1, report_to = -1, pidfd = -1;
	sigset_t all, before;

	int r = make_pipe(&report, &report_to, err);
	if (r < 0)
		return r;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pid_t pid = do_clone(flags, cgroup, exit_signal, &pidfd);
	if (pid == 0)
		be_child(function, context, report_to);
	int code = errno;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (pid < 0)
		return error_errno(err, code, "cannot start a process");
	close(TAKE_FD(report_to));
	r = take_report(report, err);
	if (r < 0) {
		reap(pid);
		return r;
	}
	*ret = (struct child){ pid, TAKE_FD(pidfd) };
	return 0;
}

int child_start(uint64_t flags, int cgroup, child_function *function, void *context, struct child *ret, struct error *err)
{
	return start(flags, cgroup, SIGCHLD, function, context, ret, err);
}

int child_run(uint64_t flags, child_function *function, void *context, struct error *err)
{
	struct child child;

	int r = start(flags, -1, 0, function, context, &child, err);
	if (r < 0)
		return r;
	close(child.pidfd);
	int status = reap(child.pid);
	if (!WIFEXITED(status))
		return error_set(err, EIO, "a child process ended with wait status %d", status);
	return WEXITSTATUS(status);
}

/* Its parent's pidfd says whether that ended before prctl could see it. */
int child_die_with(int parent, struct error *err)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return error_errno(err, errno, "cannot ask to be killed with the shim");
	if (poll(&(struct pollfd){ .fd = parent, .events = POLLIN }, 1, 0) != 0)
		return error_set(err, ESRCH, "the shim has ended");
	return 0;
}

int child_open_self(int *ret_pidfd, struct error *err)
{
	int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);

	if (fd < 0)
		return error_errno(err, errno, "cannot open a descriptor of this process");
	*ret_pidfd = fd;
	return 0;
}

int child_hold(uint64_t flags, struct child *ret, struct error *err)
{
	_cleanup_close_ int self = -1, pidfd = -1;

	int r = child_open_self(&self, err);
	if (r < 0)
		return r;
	pid_t pid = do_clone(flags, -1, 0, &pidfd);
	if (pid < 0)
		return error_errno(err, errno, "cannot start a process in new namespaces");
	if (pid == 0) {
		while (child_die_with(self, NULL) == 0)
			pause();
		_exit(0);
	}
	*ret = (struct child){ pid, TAKE_FD(pidfd) };
	return 0;
}

void child_end(struct child *child)
{
	kill(child->pid, SIGKILL);
	reap(child->pid);
	close(child->pidfd);
}
