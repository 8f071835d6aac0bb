// SPDX-License-Identifier: Apache-2.0
#include "kata-shim/task/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/cleanup.h"
#include "common/base/file.h"
#include "common/base/number.h"

#define PATIENCE_MS 10000
#define OOM_SCORE_MAX 1000
#define LARGE (64 * 1024) /* bytes that are mapped */

/* ── The new process ── */

/* containerd's, which has called `start`. Negative ones are written with their sign, and one more of them is left out. */
static void be_before(pid_t containerd)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(32);
	char path[64];
	uint32_t score = 0;

	snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", (int)containerd);
	if (file_read(path, &text, NULL) < 0 || text.n < 2)
		return;
	const bool negative = text.p[0] == '-';
	const struct slice digits = slice_from(text.p + negative, text.n - negative - 1);
	if (number_parse_u32(digits, 0, OOM_SCORE_MAX, &score, NULL) < 0)
		return;
	const int own = negative ? 1 - (int)score : (int)score + 1;
	_cleanup_close_ int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (fd >= 0)
		dprintf(fd, "%d", own > OOM_SCORE_MAX ? OOM_SCORE_MAX : own);
}

/* A fifo is opened for both, so that it never breaks, and never blocks: while containerd is away lines are lost. */
static void redirect(const char *log)
{
	const int null = open("/dev/null", O_RDWR);
	const int error = log ? open(log, O_RDWR | O_NONBLOCK | O_NOFOLLOW) : -1;

	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	dup2(error >= 0 ? error : null, STDERR_FILENO);
}

/* Everything but the standard descriptors and the channel. */
static int keep_only(int channel)
{
	const int kept = STDERR_FILENO + 1;

	if (channel != kept && dup3(channel, kept, O_CLOEXEC) < 0)
		return channel;
	close_range((unsigned)kept + 1, ~0u, 0);
	return kept;
}

static _Noreturn void be_daemon(const char *log, pid_t containerd, int channel, int (*run)(void *context, int channel), void *context)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_IGN);
	/* What a large message needed is given back: glibc would raise its threshold with the first. */
	mallopt(M_MMAP_THRESHOLD, LARGE);
	mallopt(M_TRIM_THRESHOLD, 2 * LARGE);
	setsid();
	umask(022);
	redirect(log);
	be_before(containerd);
	if (chdir("/") < 0)
		_exit(EXIT_FAILURE);
	_exit(run(context, keep_only(channel)));
}

void daemon_ready(int channel, const struct error *err)
{
	const struct error well = {};

	/* If nobody reads it, nobody releases us. */
	if (send(channel, err ? err : &well, sizeof(well), MSG_NOSIGNAL) < 0)
		return;
}

bool daemon_is_released(int channel)
{
	char byte;

	return recv(channel, &byte, 1, MSG_DONTWAIT) == 1;
}

/* ── start ── */

static int read_ready(const struct daemon *daemon, struct error *err)
{
	struct pollfd poll_fd = { .fd = daemon->channel, .events = POLLIN };
	struct error said;

	if (poll(&poll_fd, 1, PATIENCE_MS) == 0)
		return error_set(err, ETIMEDOUT, "the shim does not stand after %d s", PATIENCE_MS / 1000);
	if (recv(daemon->channel, &said, sizeof(said), 0) != (ssize_t)sizeof(said))
		return error_set(err, EPIPE, "the shim has ended before it stood");
	said.message[sizeof(said.message) - 1] = 0;
	return said.code ? error_set(err, said.code, "%s", said.message) : 0;
}

int daemon_start(const char *log, int (*run)(void *context, int channel), void *context, struct daemon *ret, struct error *err)
{
	struct daemon daemon;
	const pid_t containerd = getppid();
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return error_errno(err, errno, "cannot make a pair of sockets");
	daemon.channel = ends[0];
	daemon.pid = fork();
	if (daemon.pid == 0)
		be_daemon(log, containerd, ends[1], run, context);
	const int why = errno;
	close(ends[1]);
	int r = daemon.pid < 0 ? error_errno(err, why, "cannot fork") : read_ready(&daemon, err);
	if (r < 0) {
		close(daemon.channel);
		if (daemon.pid > 0) {
			kill(daemon.pid, SIGKILL);
			waitpid(daemon.pid, NULL, 0);
		}
		return r;
	}
	*ret = daemon;
	return 0;
}

void daemon_release(struct daemon *daemon)
{
	/* One that has ended in the meantime is found by containerd. */
	if (send(daemon->channel, "", 1, MSG_NOSIGNAL) == 1)
		close(daemon->channel);
	daemon->channel = -1;
}

void daemon_drop(struct daemon *daemon)
{
	close(daemon->channel);
	daemon->channel = -1;
}
