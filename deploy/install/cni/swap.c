// SPDX-License-Identifier: Apache-2.0
/*
 * Comparing before a rename leaves a gap in which another's edit is lost. So our text and theirs change places in one step, and what came
 * out is looked at afterwards:
 *
 *	file A, ours B   ⇄   file B, aside A: as expected; A is thrown away
 *	                     file B, aside C: somebody wrote C in between; they change places again, and C is edited in its turn
 *
 * Who has the file open may still be writing into it (an installer that opens, truncates and writes). The kernel knows: a write lease is
 * given only on a file that nobody else has open (fcntl(2), F_SETLEASE).
 */
#include "deploy/install/cni/swap.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/base/file.h"
#include "deploy/install/cni/conflist.h"
#include "deploy/install/host/host.h"

#define ROUNDS_MAX 16
#define OTHERS_MS 1000 /* that somebody may have it open; afterwards he is no writer that will end */
#define OTHERS_STEP_MS 5

static void wait_for_others(int fd)
{
	const struct timespec step = { .tv_nsec = OTHERS_STEP_MS * 1000 * 1000 };

	for (unsigned i = 0; i < OTHERS_MS / OTHERS_STEP_MS; i++) {
		if (fcntl(fd, F_SETLEASE, F_WRLCK) == 0) {
			fcntl(fd, F_SETLEASE, F_UNLCK);
			return;
		}
		if (errno != EAGAIN) /* the file system has no leases */
			return;
		nanosleep(&step, NULL);
	}
}

/* Once nobody writes into it. */
static int read_settled(const char *path, struct buf *out, struct stat *ret_status, struct error *err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

	buf_clear(out);
	if (fd < 0)
		return error_errno(err, errno, "cannot open %s", path);
	wait_for_others(fd);
	if (fstat(fd, ret_status) < 0)
		return error_errno(err, errno, "cannot look at %s", path);
	return file_read_fd(fd, path, out, err);
}

/* Where the file system cannot exchange: as close as it gets. */
static int replace(const char *path, const struct buf *before, struct error *err)
{
	_cleanup_(buf_free) struct buf now = BUF_MAX(CONFLIST_BYTES_MAX);
	struct stat status;

	int r = read_settled(path, &now, &status, err);
	if (r < 0 || !slice_equals(buf_view(&now), buf_view(before)))
		return r;
	r = host_commit(path, err);
	return r < 0 ? r : 1;
}

/*
 * `put`, which is prepared aside, takes the place of `before`. 1: so it is. 0: somebody else's text stands there. In each round what comes
 * out aside is what stood there; if that is not what we know of, it is newer than what we put, and goes back.
 */
static int exchange(const char *path, const char *aside, struct buf *before, struct buf *put, struct error *err)
{
	_cleanup_(buf_free) struct buf found = BUF_MAX(CONFLIST_BYTES_MAX);
	struct stat status;

	for (unsigned i = 0; i < ROUNDS_MAX; i++) {
		int r = host_exchange(path, aside, err);
		if (r == -ENOSYS && i == 0)
			return replace(path, before, err);
		r = r < 0 ? r : read_settled(aside, &found, &status, err);
		if (r < 0)
			return r;
		if (slice_equals(buf_view(&found), buf_view(before)))
			return i == 0;
		struct buf known = *before;
		*before = *put;
		*put = found;
		found = known;
	}
	int r = host_exchange(path, aside, err);
	return r < 0 ? r : 0;
}

static int try_edit(const char *path, const char *aside, int (*edit)(struct slice text, struct buf *out, struct error *err), bool *ret_done,
		    struct error *err)
{
	_cleanup_(buf_free) struct buf before = BUF_MAX(CONFLIST_BYTES_MAX), after = BUF_MAX(CONFLIST_BYTES_MAX);
	struct stat status;

	*ret_done = true;
	int r = read_settled(path, &before, &status, err);
	r = r < 0 ? r : edit(buf_view(&before), &after, err);
	if (r <= 0)
		return r;
	r = host_prepare(path, buf_view(&after), 0, &status, err);
	if (r < 0)
		return r;
	r = exchange(path, aside, &before, &after, err);
	*ret_done = r != 0;
	if (host_remove(aside, r < 0 ? NULL : err) < 0 && r >= 0)
		return -err->code;
	return r;
}

int swap_edit(const char *path, int (*edit)(struct slice text, struct buf *out, struct error *err), struct error *err)
{
	char aside[PATH_MAX];
	bool done = false;

	signal(SIGIO, SIG_IGN); /* what the kernel sends to who has a lease, when somebody else opens the file: it would end us */
	int r = host_new_name(path, aside, err);
	r = r < 0 ? r : host_remove(aside, err); /* what a power cut left */
	for (unsigned i = 0; r >= 0 && i < ROUNDS_MAX; i++) {
		r = try_edit(path, aside, edit, &done, err);
		if (r < 0 || done)
			return r;
	}
	return r < 0 ? r : error_set(err, EBUSY, "%s is rewritten all the time", path);
}
