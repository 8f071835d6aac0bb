// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/file.h"
#include "deploy/install/host/host.h"

#define COPY_STEP (1024 * 1024)

void (*host_stepped)(void);

int host_settle(const char *path, struct error *err)
{
	int r = file_sync_directory_of(path, err);

	if (r == 0 && host_stepped)
		host_stepped();
	return r;
}

static int create(const char *path, int *ret_fd, struct error *err)
{
	if (unlink(path) < 0 && errno != ENOENT && errno != EROFS)
		return error_errno(err, errno, "cannot remove %s", path);
	*ret_fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	return *ret_fd < 0 ? error_errno(err, errno, "cannot create %s", path) : 0;
}

/* After a failure nothing is left of it. */
static int finish(const char *name, int fd, mode_t mode, int r, struct error *err)
{
	if (r == 0 && fchmod(fd, mode & 07777) < 0)
		r = error_errno(err, errno, "cannot set the mode of %s", name);
	if (r == 0 && fsync(fd) < 0)
		r = error_errno(err, errno, "cannot sync %s", name);
	if (r < 0)
		unlink(name);
	else if (host_stepped)
		host_stepped();
	return r;
}

int host_prepare(const char *path, struct slice content, mode_t mode, const struct stat *like, struct error *err)
{
	_cleanup_close_ int fd = -1;
	char name[PATH_MAX];

	int r = host_new_name(path, name, err);
	r = r < 0 ? r : create(name, &fd, err);
	if (r < 0)
		return r;
	r = file_write_fd(fd, content, name, err);
	if (r == 0 && like && fchown(fd, like->st_uid, like->st_gid) < 0)
		r = error_errno(err, errno, "cannot give %s the owner of %s", name, path);
	return finish(name, fd, like ? like->st_mode : mode, r, err);
}

int host_commit(const char *path, struct error *err)
{
	char name[PATH_MAX];

	int r = host_new_name(path, name, err);
	if (r < 0)
		return r;
	if (rename(name, path) < 0) {
		r = error_errno(err, errno, "cannot replace %s", path);
		unlink(name);
		return r;
	}
	return host_settle(path, err);
}

int host_put(const char *path, struct slice content, mode_t mode, struct error *err)
{
	int r = host_prepare(path, content, mode, NULL, err);

	return r < 0 ? r : host_commit(path, err);
}

int host_put_link(const char *path, const char *target, struct error *err)
{
	char name[PATH_MAX];

	int r = host_new_name(path, name, err);
	if (r < 0)
		return r;
	if (unlink(name) < 0 && errno != ENOENT)
		return error_errno(err, errno, "cannot remove %s", name);
	if (symlink(target, name) < 0)
		return error_errno(err, errno, "cannot create the link %s", name);
	if (host_stepped)
		host_stepped();
	return host_commit(path, err);
}

static int copy_content(int to, int from, const char *name, struct error *err)
{
	ssize_t n;

	do
		n = sendfile(to, from, NULL, COPY_STEP);
	while (n > 0 || (n < 0 && errno == EINTR));
	return n < 0 ? error_errno(err, errno, "cannot write %s", name) : 0;
}

int host_copy(const char *path, const char *from, mode_t mode, struct error *err)
{
	_cleanup_close_ int source = open(from, O_RDONLY | O_CLOEXEC);
	_cleanup_close_ int fd = -1;

	if (source < 0)
		return error_errno(err, errno, "cannot open %s", from);
	int r = create(path, &fd, err);
	if (r < 0)
		return r;
	r = copy_content(fd, source, path, err);
	return finish(path, fd, mode, r, err);
}

int host_put_copy(const char *path, const char *from, mode_t mode, struct error *err)
{
	char name[PATH_MAX];

	int r = host_new_name(path, name, err);
	r = r < 0 ? r : host_copy(name, from, mode, err);
	return r < 0 ? r : host_commit(path, err);
}

int host_exchange(const char *a, const char *b, struct error *err)
{
	if (renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE) == 0)
		return host_settle(a, err);
	if (errno == EINVAL || errno == ENOSYS)
		return -ENOSYS;
	return error_errno(err, errno, "cannot exchange %s and %s", a, b);
}

int host_rename(const char *from, const char *to, struct error *err)
{
	if (rename(from, to) < 0)
		return error_errno(err, errno, "cannot rename %s to %s", from, to);
	return host_settle(to, err);
}

int host_remove(const char *path, struct error *err)
{
	struct stat status;

	if (lstat(path, &status) < 0 && errno == ENOENT)
		return 0; /* also where nothing can be written, of which unlink(2) would speak first */
	if (unlink(path) == 0)
		return host_settle(path, err);
	return errno == ENOENT || errno == ENOTDIR ? 0 : error_errno(err, errno, "cannot remove %s", path);
}

int host_remove_empty(const char *path, struct error *err)
{
	if (rmdir(path) == 0)
		return host_settle(path, err);
	if (errno == ENOENT || errno == ENOTEMPTY || errno == EEXIST || errno == ENOTDIR || errno == EBUSY)
		return 0;
	return error_errno(err, errno, "cannot remove directory %s", path);
}

static int remove_entry(const FTSENT *entry, struct error *err)
{
	if (entry->fts_info == FTS_D)
		return 0;
	if (entry->fts_info == FTS_DNR || entry->fts_info == FTS_ERR || entry->fts_info == FTS_NS)
		return error_errno(err, entry->fts_errno, "cannot look into %s", entry->fts_path);
	if ((entry->fts_info == FTS_DP ? rmdir : unlink)(entry->fts_accpath) < 0 && errno != ENOENT)
		return error_errno(err, errno, "cannot remove %s", entry->fts_path);
	if (host_stepped)
		host_stepped();
	return 0;
}

int host_remove_tree(const char *path, struct error *err)
{
	char *const paths[] = { (char *)path, NULL };
	struct stat status;
	FTSENT *entry;
	int r = 0;

	if (lstat(path, &status) < 0)
		return errno == ENOENT ? 0 : error_errno(err, errno, "cannot look at %s", path);
	FTS *walk = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, NULL);
	if (!walk)
		return error_errno(err, errno, "cannot walk %s", path);
	while (r == 0 && (entry = fts_read(walk)))
		r = remove_entry(entry, err);
	fts_close(walk);
	return r < 0 ? r : host_settle(path, err);
}
