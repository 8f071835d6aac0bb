// SPDX-License-Identifier: Apache-2.0
/*
 * `start` of a sandbox forks a shim and ends; only it knows that process's id, and the sandbox record needs it. A subreaper inherits the
 * orphans of its descendants, so while we wait as one, that process becomes our child. When we end it goes on to where it would have gone
 * without us. vfork, because a copy of our memory would be made for nothing, page by page.
 */
#include "kata-shim/backend/run.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/cleanup.h"

#define CHILDREN "/proc/thread-self/children"

static int set_environment(const struct run *run, struct error *err)
{
	if (run->kata_config && setenv("KATA_CONF_FILE", run->kata_config, 1) < 0)
		return error_errno(err, errno, "cannot set KATA_CONF_FILE");
	return 0;
}

/* Returns only if it fails. */
static int execute(const struct run *run, struct error *err)
{
	char *first = run->arguments[0];

	run->arguments[0] = (char *)run->shim;
	execv(run->shim, run->arguments);
	run->arguments[0] = first;
	return error_errno(err, errno, "cannot run %s", run->shim);
}

int run_instead(const struct run *run, struct error *err)
{
	int r = set_environment(run, err);

	return r < 0 ? r : execute(run, err);
}

/* Does not return, and has its parent's memory. */
static void be_child(const struct run *run, pid_t parent)
{
	struct error err;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() == parent && execute(run, &err) < 0)
		dprintf(STDERR_FILENO, "containerd-shim-holdfast-v2: %s", err.message);
	_exit(EXIT_FAILURE);
}

/* In a function of its own, so that no variable of a caller can be what the child has left in it. */
static __attribute__((noinline)) pid_t start_child(const struct run *run, pid_t parent)
{
	const pid_t child = vfork();

	if (child == 0)
		be_child(run, parent);
	return child;
}

/* The first of our children: `start` leaves one behind. */
static pid_t first_child(void)
{
	_cleanup_close_ int fd = open(CHILDREN, O_RDONLY | O_CLOEXEC);
	char text[32] = "";

	return fd >= 0 && read(fd, text, sizeof(text) - 1) > 0 ? (pid_t)strtoul(text, NULL, 10) : 0;
}

int run_and_learn(const struct run *run, int *ret_status, pid_t *ret_shim, struct error *err)
{
	int status;
	int r = set_environment(run, err);

	if (r < 0)
		return r;
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		return error_errno(err, errno, "cannot become a subreaper");
	const pid_t child = start_child(run, getpid());
	if (child < 0)
		return error_errno(err, errno, "cannot fork");
	while (waitpid(child, &status, 0) < 0) {
		if (errno != EINTR)
			return error_errno(err, errno, "cannot wait for %s", run->shim);
	}
	*ret_status = status;
	*ret_shim = first_child();
	return 0;
}

_Noreturn void run_end_as(int status)
{
	const struct rlimit no_core = {};

	if (WIFSIGNALED(status)) {
		setrlimit(RLIMIT_CORE, &no_core);
		signal(WTERMSIG(status), SIG_DFL);
		raise(WTERMSIG(status));
	}
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILURE);
}
