// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/base/file.h"
#include "device-plugin/deliver/internal.h"

#define DIRECTORY_MODE 0755
#define TRIES 100 /* at a name that is not taken: the clock may have been set back */

/* As kubelet's, so that it sorts by age. */
static void print_name(unsigned attempt, struct version *ret)
{
	struct timespec now;
	struct tm date;
	char text[32];

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &date);
	strftime(text, sizeof(text), "%Y_%m_%d_%H_%M_%S", &date);
	snprintf(ret->name, sizeof(ret->name), "..%s.%09ld%02u", text, now.tv_nsec, attempt);
}

static int make_directory(int secret, struct version *version, int *ret, struct error *err)
{
	for (unsigned i = 0; i < TRIES; i++) {
		print_name(i, version);
		if (mkdirat(secret, version->name, DIRECTORY_MODE) == 0)
			return directory_make(secret, version->name, DIRECTORY_MODE, ret, err);
		if (errno != EEXIST)
			return error_errno(err, errno, "cannot make directory %s", version->name);
	}
	return error_set(err, EEXIST, "cannot find a name for a new version: %s and others are taken", version->name);
}

/* Given away last: from then on it is not ours to change. */
static int fill_file(int fd, const struct volume_file *file, const char *name, struct error *err)
{
	int r = file_write_fd(fd, file->content, name, err);

	if (r < 0)
		return r;
	if (fchmod(fd, file->mode) < 0)
		return error_errno(err, errno, "cannot set the mode of %s", name);
	if (fchown(fd, file->uid, file->gid) < 0)
		return error_errno(err, errno, "cannot give %s to user %u, group %u", name, file->uid, file->gid);
	return 0;
}

static int make_file(int at, const struct volume_file *file, const char *name, struct error *err)
{
	_cleanup_close_ int fd = openat(at, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	return fd < 0 ? error_errno(err, errno, "cannot create %s", name) : fill_file(fd, file, name, err);
}

static int put_file(int version, const struct volume_file *file, struct error *err)
{
	const char *slash = strchr(file->name, '/');
	_cleanup_close_ int inner = -1;
	char name[NAME_MAX + 1];

	if (!slash)
		return make_file(version, file, file->name, err);
	snprintf(name, sizeof(name), "%.*s", (int)(slash - file->name), file->name);
	int r = directory_make(version, name, DIRECTORY_MODE, &inner, err);
	return r < 0 ? r : make_file(inner, file, slash + 1, err);
}

static int put_files(int secret, const struct volume_file *files, size_t n, struct version *version, struct error *err)
{
	_cleanup_close_ int fd = -1;

	int r = make_directory(secret, version, &fd, err);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = put_file(fd, &files[i], err);
	return r;
}

int version_make(int secret, const struct volume_file *files, size_t n, struct version *ret, struct error *err)
{
	struct version version = {};

	int r = put_files(secret, files, n, &version, err);
	if (r == 0)
		*ret = version;
	else
		leave_to_sweep(shred(secret, version.name, SHRED_ALWAYS, NULL));
	return r;
}

int version_switch(int secret, const struct version *version, struct error *err)
{
	if (unlinkat(secret, VOLUME_NEXT, 0) < 0 && errno != ENOENT)
		return error_errno(err, errno, "cannot remove %s", VOLUME_NEXT);
	if (symlinkat(version->name, secret, VOLUME_NEXT) < 0)
		return error_errno(err, errno, "cannot make the link %s", VOLUME_NEXT);
	if (renameat(secret, VOLUME_NEXT, secret, VOLUME_LIVE) < 0)
		return error_errno(err, errno, "cannot rename %s to %s", VOLUME_NEXT, VOLUME_LIVE);
	return 0;
}

static bool is_version(const char *name, size_t n)
{
	return n > 2 && memcmp(name, "..", 2) == 0 && !memchr(name, '/', n);
}

int version_live(int secret, struct version *ret, struct error *err)
{
	struct version version = {};
	struct stat status;

	ret->name[0] = 0;
	ssize_t n = readlinkat(secret, VOLUME_LIVE, version.name, sizeof(version.name) - 1);
	if (n < 0)
		return errno == ENOENT ? 0 : error_errno(err, errno, "cannot read the link %s", VOLUME_LIVE);
	if (!is_version(version.name, (size_t)n))
		return 0;
	if (fstatat(secret, version.name, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : error_errno(err, errno, "cannot look at %s", version.name);
	if (S_ISDIR(status.st_mode))
		*ret = version;
	return 0;
}

static bool is_stale(const char *name, const struct version *live)
{
	if (strncmp(name, "..", 2) != 0)
		return false;
	return !live->name[0] || (strcmp(name, VOLUME_LIVE) != 0 && strcmp(name, live->name) != 0);
}

static int shred_stale(int secret, const struct version *live, enum shred how, struct error *err)
{
	_cleanup_(names_free) struct names names = {};

	int r = directory_list(secret, &names, err);
	for (size_t i = 0; i < names.n; i++) {
		if (is_stale(names.items[i], live))
			r = first_of(r, shred(secret, names.items[i], how, unless_failed(r, err)));
	}
	return r;
}

int version_tidy(int secret, enum shred how, struct error *err)
{
	struct version live;

	int r = version_live(secret, &live, err);
	if (r < 0)
		return r;
	r = shred_stale(secret, &live, how, err);
	return first_of(r, links_prune(secret, unless_failed(r, err)));
}
