// SPDX-License-Identifier: Apache-2.0
/*
 * To be asked for its version it must be started, in a jail as any other time: a third of all the time that a pod's share takes. So what it
 * said is kept for the next pods, in <state>/.virtiofsd: "rust 65024 1234 …", with all by which a file that was replaced or changed is
 * told.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/array.h"
#include "common/base/file.h"
#include "common/base/show.h"
#include "kata-shim/vm/jail/virtiofsd_internal.h"

#define RECORD ".virtiofsd"
#define VERSION_MAX 4096 /* bytes of what --version writes */
#define PATIENCE_MS 5000

static const char *const kind_names[] = { [VIRTIOFSD_C] = "c", [VIRTIOFSD_RUST] = "rust" };

int virtiofsd_kind_of(const char *version, enum virtiofsd_kind *ret, struct error *err)
{
	static const struct {
		const char *begins;
		enum virtiofsd_kind kind;
	} known[] = {
		{ "virtiofsd version ", VIRTIOFSD_C },    /* "virtiofsd version 7.2.22 (Debian …)\nCopyright …" */
		{ "virtiofsd backend ", VIRTIOFSD_RUST }, /* "virtiofsd backend 1.1.0" */
		{ "virtiofsd ", VIRTIOFSD_RUST },         /* "virtiofsd 1.13.3" */
	};

	for (size_t i = 0; i < ELEMENTS_OF(known); i++) {
		if (strncmp(version, known[i].begins, strlen(known[i].begins)) != 0)
			continue;
		*ret = known[i].kind;
		return 0;
	}
	return error_set(err, EINVAL, "it does not say that it is virtiofsd: to --version it says \"%s\"", SHOW(slice_string(version)));
}

/* ── ask ── */

/* What it says fits into a pipe, so it can end before it is read. */
static int wait_for_end(const struct jail_process *process, struct error *err)
{
	struct pollfd end = { .fd = process->pidfd, .events = POLLIN };
	int n;

	do
		n = poll(&end, 1, PATIENCE_MS);
	while (n < 0 && errno == EINTR);
	return n == 1 ? 0 : error_set(err, ETIMEDOUT, "it does not end after it was asked for its --version: is it virtiofsd?");
}

static int ask_version(const struct virtiofsd *virtiofsd, struct buf *out, struct error *err)
{
	const char *const arguments[] = { virtiofsd->path, "--version", NULL };
	struct jail jail = virtiofsd_jail(virtiofsd, arguments);
	struct jail_process process;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return error_errno(err, errno, "cannot make a pipe");
	_cleanup_close_ int from = ends[0];
	jail.output = ends[1];
	jail.cgroup = NULL; /* for two milliseconds it is not worth the wait for one of version 1 */
	int r = jail_spawn(&jail, &process, err);
	close(ends[1]);
	if (r < 0)
		return r;
	r = wait_for_end(&process, err);
	jail_end(&process);
	return r == 0 ? file_read_fd(from, "what virtiofsd says to --version", out, err) : r;
}

static int ask_kind(const struct virtiofsd *virtiofsd, enum virtiofsd_kind *ret, struct error *err)
{
	_cleanup_(buf_free) struct buf version = BUF_MAX(VERSION_MAX);

	int r = ask_version(virtiofsd, &version, err);
	if (r == 0)
		r = virtiofsd_kind_of(buf_text(&version), ret, err);
	return r < 0 ? error_wrap(err, "%s", virtiofsd->path) : 0;
}

/* ── remember ── */

static void format_record(const struct virtiofsd *virtiofsd, const struct stat *is, enum virtiofsd_kind kind, char ret[static PATH_MAX])
{
	snprintf(ret, PATH_MAX, "%s %ju %ju %jd %jd.%09ld %jd.%09ld %s", kind_names[kind], (uintmax_t)is->st_dev, (uintmax_t)is->st_ino,
		 (intmax_t)is->st_size, (intmax_t)is->st_mtim.tv_sec, is->st_mtim.tv_nsec, (intmax_t)is->st_ctim.tv_sec,
		 is->st_ctim.tv_nsec, virtiofsd->path);
}

static bool recall(const char *path, const struct virtiofsd *virtiofsd, const struct stat *is, enum virtiofsd_kind *ret)
{
	_cleanup_(buf_free) struct buf kept = BUF_MAX(PATH_MAX);
	char expected[PATH_MAX];

	if (access(path, F_OK) < 0 || file_read(path, &kept, NULL) < 0)
		return false;
	for (enum virtiofsd_kind kind = VIRTIOFSD_C; kind <= VIRTIOFSD_RUST; kind++) {
		format_record(virtiofsd, is, kind, expected);
		if (strcmp(buf_text(&kept), expected) != 0)
			continue;
		*ret = kind;
		return true;
	}
	return false;
}

/* If it cannot be, it is asked again the next time. */
static void remember(const char *path, const struct virtiofsd *virtiofsd, const struct stat *is, enum virtiofsd_kind kind)
{
	char record[PATH_MAX];

	format_record(virtiofsd, is, kind, record);
	(void)!file_write_atomic(path, slice_string(record), 0600, NULL);
}

int virtiofsd_find_kind(const struct virtiofsd *virtiofsd, enum virtiofsd_kind *ret, struct error *err)
{
	_cleanup_free_ char *path = NULL;
	struct stat is;

	if (asprintf(&path, "%s/../" RECORD, virtiofsd->directory) < 0)
		return error_nomem(err);
	if (stat(virtiofsd->path, &is) < 0)
		return error_errno(err, errno, "cannot find %s", virtiofsd->path);
	if (recall(path, virtiofsd, &is, ret))
		return 0;
	int r = ask_kind(virtiofsd, ret, err);
	if (r == 0)
		remember(path, virtiofsd, &is, *ret);
	return r;
}
