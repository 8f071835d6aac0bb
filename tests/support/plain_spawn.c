// SPDX-License-Identifier: Apache-2.0
#include "tests/support/plain_spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DESCRIPTORS_MAX 64

/* First out of the way of all numbers, then to their own. */
static void place(const int *fds, size_t n)
{
	int away[DESCRIPTORS_MAX];

	for (size_t i = 0; i < n; i++)
		away[i] = fcntl(fds[i], F_DUPFD, DESCRIPTORS_MAX);
	for (size_t i = 0; i < n; i++)
		dup2(away[i], (int)i);
	close_range((unsigned)n, ~0U, 0);
}

int plain_spawn(void *context, const char *const argv[], const int *fds, size_t n_fds, pid_t *ret_pid, int *ret_pidfd, struct error *err)
{
	const pid_t pid = n_fds <= DESCRIPTORS_MAX ? fork() : -1;

	if (pid < 0)
		return error_errno(err, errno, "cannot fork");
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		place(fds, n_fds);
		execv(argv[0], (char *const *)argv);
		_exit(127);
	}
	*ret_pid = pid;
	*ret_pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	return *ret_pidfd < 0 ? error_errno(err, errno, "cannot open a pidfd") : 0;
}
