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

/* One round for what is on its way, one for what its answers set going (a file read ahead is closed then), the rest for what had to queue. */
#define SETTLE_ROUNDS 4

static int ask(const char *share, unsigned rounds)
{
	struct statfs ignored;
	int r = 0;

	for (unsigned i = 0; i < rounds; i++)
		r = statfs(share, &ignored);
	return r;
}

static pid_t begin(const char *share, unsigned rounds)
{
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	close_range(0, UINT_MAX, 0); /* the other ends of containers' pipes, too */
	_exit(ask(share, rounds) < 0);
}

bool share_answers(struct agent *agent)
{
	const char *share = storages_share();
	struct error err;

	if (agent->share_probe)
		return false;
	pid_t pid = share ? begin(share, 1) : 0;
	if (pid <= 0)
		return true;
	agent->share_probe = pid;
	if (children_watch(agent->children, pid, on_answered, agent, &err) < 0) {
		log_warn("cannot learn whether the share answers", "error", err.message);
		agent->share_probe = 0;
	}
	return true;
}

bool share_settle(struct agent *agent, child_ended *ended, void *context, pid_t *ret)
{
	const char *share = storages_share();
	struct error err;

	pid_t pid = share ? begin(share, SETTLE_ROUNDS) : 0;
	if (pid <= 0)
		return false;
	if (children_watch(agent->children, pid, ended, context, &err) < 0) {
		log_warn("cannot learn whether the share has settled", "error", err.message);
		return false;
	}
	*ret = pid;
	return true;
}

void share_settle_now(void)
{
	const char *share = storages_share();

	if (share)
		ask(share, SETTLE_ROUNDS);
}
