// SPDX-License-Identifier: Apache-2.0
/*
 * Who asks a file server that hangs waits in the kernel, and cannot even be killed. So a process of its own asks, which has nothing that
 * anybody else waits for: of those there is one at most.
 */
#include "kata-shim/guest/share_probe.h"

#include <limits.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "common/base/log.h"
#include "kata-shim/guest/storage.h"

static void on_answered(void *context, pid_t pid, int status)
{
	((struct agent *)context)->share_probe = 0;
}

static pid_t ask(const char *share)
{
	struct statfs ignored;
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	close_range(0, UINT_MAX, 0); /* the other ends of containers' pipes, too */
	_exit(statfs(share, &ignored) < 0);
}

bool share_answers(struct agent *agent)
{
	const char *share = storages_share();
	struct error err;

	if (agent->share_probe)
		return false;
	pid_t pid = share ? ask(share) : 0;
	if (pid <= 0)
		return true;
	agent->share_probe = pid;
	if (children_watch(agent->children, pid, on_answered, agent, &err) < 0) {
		log_warn("cannot learn whether the share answers", "error", err.message);
		agent->share_probe = 0;
	}
	return true;
}
