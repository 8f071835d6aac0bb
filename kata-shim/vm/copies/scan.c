// SPDX-License-Identifier: Apache-2.0
/*
 * Where `..data` leads is read first. What it leads to then was whole before, and is looked at after; what its writer is still making, or
 * has not yet removed, is not looked at. If it leads elsewhere in the end, what was seen may be of two versions: EAGAIN.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/show.h"
#include "kata-shim/vm/copies/copies.h"
#include "kata-shim/vm/copies/tree.h"

struct scan {
	const char *host;
	char live[PATH_MAX]; /* where ..data leads; "": there is none */
	bool found;          /* the directory it leads to */
	uint64_t bytes;
	struct tree tree;
};

static void clear_scan(struct scan *scan)
{
	tree_clear(&scan->tree);
}

static void close_stream(DIR **stream)
{
	if (*stream)
		closedir(*stream);
}

/* A name that was there is not any more: somebody is at work. */
static int vanished(const struct scan *scan, int code, const char *what, const char *path, struct error *err)
{
	if (code == ENOENT && *path)
		code = EAGAIN;
	return error_errno(err, code, "cannot %s %s/%s", what, scan->host, path);
}

static int read_link(int at, const char *name, char target[static PATH_MAX])
{
	const ssize_t n = readlinkat(at, name, target, PATH_MAX - 1);

	if (n < 0)
		return -errno;
	target[n] = 0;
	return 0;
}

/* ── one ── */

static int add(struct scan *scan, const char *path, const struct stat *status, char *target, struct error *err)
{
	const bool file = S_ISREG(status->st_mode);
	const struct entry entry = {
		.path = (char *)path,
		.target = target,
		.mode = status->st_mode,
		.uid = status->st_uid,
		.gid = status->st_gid,
		.size = file ? status->st_size : 0,
		.inode = status->st_ino,
		.modified = status->st_mtim,
		.changed = status->st_ctim,
	};

	if (scan->tree.n == COPY_ENTRIES_MAX)
		return error_set(err, E2BIG, "%s has more than %d files, links and directories", scan->host, COPY_ENTRIES_MAX);
	scan->bytes += (uint64_t)entry.size;
	if (scan->bytes > COPY_BYTES_MAX)
		return error_set(err, E2BIG, "%s has more than %d MiB in its files", scan->host, COPY_BYTES_MAX >> 20);
	return tree_put(&scan->tree, &entry, err);
}

static int scan_directory(struct scan *scan, int at, const char *name, const char *path, unsigned depth, struct error *err);

static int scan_name(struct scan *scan, int at, const char *name, const char *path, unsigned depth, struct error *err)
{
	char target[PATH_MAX];
	struct stat status;

	if (fstatat(at, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return vanished(scan, errno, "look at", path, err);
	if (!S_ISDIR(status.st_mode) && !S_ISREG(status.st_mode) && !S_ISLNK(status.st_mode))
		return error_set(err, EOPNOTSUPP, "%s/%s is no file, directory or link, and so cannot be copied into a VM: remove it",
				 scan->host, path);
	int r = S_ISLNK(status.st_mode) ? read_link(at, name, target) : 0;
	if (r < 0)
		return vanished(scan, -r, "read the link", path, err);
	r = add(scan, path, &status, S_ISLNK(status.st_mode) ? target : NULL, err);
	if (r == 0 && S_ISDIR(status.st_mode))
		r = scan_directory(scan, at, name, path, depth, err);
	return r;
}

/* ── all in a directory ── */

static bool is_passed_over(struct scan *scan, const char *name, unsigned depth)
{
	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return true;
	if (depth > 0 || !*scan->live || strncmp(name, "..", 2) != 0 || strcmp(name, TREE_LIVE) == 0)
		return false;
	const bool live = strcmp(name, scan->live) == 0;
	scan->found |= live;
	return !live;
}

static int scan_names(struct scan *scan, DIR *stream, const char *path, unsigned depth, struct error *err)
{
	const struct dirent *entry;
	char below[PATH_MAX];

	while ((errno = 0, entry = readdir(stream))) {
		if (is_passed_over(scan, entry->d_name, depth))
			continue;
		const int n = snprintf(below, sizeof(below), "%s%s%s", path, *path ? "/" : "", entry->d_name);
		if (n < 0 || (size_t)n >= sizeof(below))
			return error_set(err, E2BIG, "%s: a path in it is longer than %d bytes", scan->host, PATH_MAX);
		int r = scan_name(scan, dirfd(stream), entry->d_name, below, depth + 1, err);
		if (r < 0)
			return r;
	}
	return errno ? vanished(scan, errno, "list", path, err) : 0;
}

static int scan_directory(struct scan *scan, int at, const char *name, const char *path, unsigned depth, struct error *err)
{
	if (depth > COPY_DEPTH_MAX)
		return error_set(err, E2BIG, "%s is more than %d directories deep", scan->host, COPY_DEPTH_MAX);
	const int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return vanished(scan, errno, "open", path, err);
	_cleanup_(close_stream) DIR *stream = fdopendir(fd);
	if (!stream) {
		close(fd);
		return error_nomem(err);
	}
	if (depth == 0 && read_link(fd, TREE_LIVE, scan->live) < 0)
		scan->live[0] = 0;
	return scan_names(scan, stream, path, depth, err);
}

/* ── the whole ── */

static int check_live(const struct scan *scan, struct error *err)
{
	char path[PATH_MAX], now[PATH_MAX];

	if (!*scan->live)
		return 0;
	if (strchr(scan->live, '/') || strncmp(scan->live, "..", 2) != 0 || !scan->live[2])
		return error_set(err, EINVAL, "%s/" TREE_LIVE " leads to \"%s\", and should to a directory beside it", scan->host,
				 SHOW(slice_string(scan->live)));
	snprintf(path, sizeof(path), "%s/" TREE_LIVE, scan->host);
	if (!scan->found || read_link(AT_FDCWD, path, now) < 0 || strcmp(now, scan->live) != 0)
		return error_set(err, EAGAIN, "%s: its content was being replaced", scan->host);
	return 0;
}

int tree_scan(const char *host, struct tree *ret, struct error *err)
{
	_cleanup_(clear_scan) struct scan scan = { .host = host };

	int r = scan_name(&scan, AT_FDCWD, host, "", 0, err);
	if (r == 0)
		r = check_live(&scan, err);
	if (r < 0)
		return r;
	*ret = scan.tree;
	scan.tree = (struct tree){};
	return 0;
}

/* One component after the other, each without following it: the shim may call no openat2, of which a filter sees nothing. */
int tree_open(const char *host, const char *path, int *ret, struct error *err)
{
	_cleanup_close_ int at = AT_FDCWD;
	const char *rest = path;
	char name[PATH_MAX];
	int n = snprintf(name, sizeof(name), "%s", host);

	while (*rest && n >= 0 && (size_t)n < sizeof(name)) {
		const int below = openat(at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (below < 0)
			return error_errno(err, errno, "cannot open %s/%s", host, path);
		cleanup_close(&at);
		at = below;
		const size_t length = strcspn(rest, "/");
		n = snprintf(name, sizeof(name), "%.*s", (int)length, rest);
		rest += length + (rest[length] == '/');
	}
	const int fd = openat(at, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return error_errno(err, errno, "cannot open %s%s%s", host, *path ? "/" : "", path);
	*ret = fd;
	return 0;
}
