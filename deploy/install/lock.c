// SPDX-License-Identifier: Apache-2.0
#include "deploy/install/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/show.h"

#define HOLDER_MAX 64

static void wake(int signal)
{
}

/* flock(2) that ends with EINTR after `seconds`: the timer goes on, should it strike before the call. */
static int lock_within(int fd, unsigned seconds)
{
	const struct sigaction waking = { .sa_handler = wake };
	const struct itimerval timer = { .it_value = { .tv_sec = seconds }, .it_interval = { .tv_usec = 100 * 1000 } };
	const struct itimerval off = { 0 };
	struct sigaction before;

	sigaction(SIGALRM, &waking, &before);
	setitimer(ITIMER_REAL, &timer, NULL);
	int r = flock(fd, LOCK_EX) < 0 ? -errno : 0;
	setitimer(ITIMER_REAL, &off, NULL);
	sigaction(SIGALRM, &before, NULL);
	return r;
}

static void read_holder(int fd, char ret[static HOLDER_MAX])
{
	ssize_t n = pread(fd, ret, HOLDER_MAX - 1, 0);

	ret[n > 0 ? n : 0] = 0;
	ret[strcspn(ret, "\n")] = 0;
}

static int take(int fd, const char *path, unsigned wait_s, struct error *err)
{
	char holder[HOLDER_MAX];

	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	if (errno != EWOULDBLOCK)
		return error_errno(err, errno, "cannot lock %s", path);
	read_holder(fd, holder);
	if (wait_s > 0) {
		fprintf(stderr, "holdfast-node: waiting for %s\n", SHOW(slice_string(holder)));
		if (lock_within(fd, wait_s) == 0)
			return 0;
		read_holder(fd, holder);
	}
	return error_set(err, EWOULDBLOCK, "%s is at work on this node and holds %s", SHOW(slice_string(holder)), path);
}

/* Who had the lock may have removed the file when he was done: then it is no one's any more. */
static bool is_still(int fd, const char *path)
{
	struct stat ours, there;

	return fstat(fd, &ours) == 0 && stat(path, &there) == 0 && ours.st_ino == there.st_ino && ours.st_dev == there.st_dev;
}

/* For people. On a disk that is full the lock counts all the same. */
static void say_who(int fd, const char *who)
{
	char text[HOLDER_MAX];

	int n = snprintf(text, sizeof(text), "holdfast-node %s, process %d\n", who, (int)getpid());
	if (ftruncate(fd, 0) == 0 && pwrite(fd, text, (size_t)n, 0) != n)
		(void)!ftruncate(fd, 0);
}

int install_lock(const char *path, const char *who, unsigned wait_s, int *ret_fd, struct error *err)
{
	for (;;) {
		_cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		if (fd < 0)
			return error_errno(err, errno, "cannot open %s", path);
		int r = take(fd, path, wait_s, err);
		if (r < 0)
			return r;
		if (!is_still(fd, path))
			continue;
		say_who(fd, who);
		*ret_fd = TAKE_FD(fd);
		return 0;
	}
}
