// SPDX-License-Identifier: Apache-2.0
/*
 * Who asks a file server that hangs waits in the kernel, and cannot even be killed. So a process of its own asks, which has nothing that
 * anybody else waits for: of those there is one at most, and one for each container that is being removed.
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

/* False: nobody asks, and `ended` is not called. */
static bool ask_aside(struct agent *agent, unsigned rounds, child_ended *ended, void *context, pid_t *ret)
{
	const char *share = storages_share();
	struct error err;

	pid_t pid = share ? begin(share, rounds) : 0;
	if (pid <= 0)
		return false;
	if (children_watch(agent->children, pid, ended, context, &err) < 0) {
		log_warn("cannot learn whether the share answers", "error", err.message);
		return false;
	}
	*ret = pid;
	return true;
}

bool share_answers(struct agent *agent)
{
	if (agent->share_probe)
		return false;
	(void)ask_aside(agent, 1, on_answered, agent, &agent->share_probe);
	return true;
}

bool share_settle(struct agent *agent, child_ended *ended, void *context, pid_t *ret)
{
	return ask_aside(agent, SETTLE_ROUNDS, ended, context, ret);
}

void share_settle_now(void)
{
	const char *share = storages_share();

	if (share)
		ask(share, SETTLE_ROUNDS);
}
