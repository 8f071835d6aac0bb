// SPDX-License-Identifier: Apache-2.0
/*
 * What is deleted is overwritten first: the kernel gives pages back as they are. Files belong to whoever reads them in the pod, and we have
 * neither CAP_DAC_OVERRIDE nor CAP_FOWNER; so a file is taken back, which CAP_CHOWN is enough for, before it is opened.
 *
 * Who has the old version of a secret open while a new one comes must not read zeros. A write lease is only given to whoever is alone with
 * a file; if it is not given the file stays. Once a file has no name, nobody can come any more but one who had found it before: he waits
 * for the lease, we see that, and let him have it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "device-plugin/deliver/internal.h"

/* Of `file`, opened with O_PATH: by its descriptor, so that all is done to one file whatever happens to its name. */
static int take_back(int file, const char *name, int *ret, struct error *err)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	if (fchownat(file, "", 0, 0, AT_EMPTY_PATH) < 0)
		return error_errno(err, errno, "cannot take back the file %s", name);
	if (fchmodat(AT_FDCWD, path, 0600, 0) < 0)
		return error_errno(err, errno, "cannot make the file %s writable", name);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return error_errno(err, errno, "cannot open the file %s to overwrite it", name);
	*ret = fd;
	return 0;
}

static int overwrite(int fd, const char *name, struct error *err)
{
	static const uint8_t zeros[16 * 1024];
	struct stat status;

	if (fstat(fd, &status) < 0)
		return error_errno(err, errno, "cannot look at the file %s", name);
	for (off_t at = 0; at < status.st_size;) {
		off_t left = status.st_size - at;
		size_t step = left < (off_t)sizeof(zeros) ? (size_t)left : sizeof(zeros);
		ssize_t n = pwrite(fd, zeros, step, at);

		if (n < 0 && errno != EINTR)
			return error_errno(err, errno, "cannot overwrite the file %s", name);
		at += n > 0 ? n : 0;
	}
	return ftruncate(fd, 0) < 0 ? error_errno(err, errno, "cannot truncate the file %s", name) : 0;
}

static int remove_name(int at, const char *name, int flags, struct error *err)
{
	if (unlinkat(at, name, flags) < 0 && errno != ENOENT)
		return error_errno(err, errno, "cannot remove %s", name);
	return 0;
}

static int shred_unread(int at, const char *name, int fd, struct error *err)
{
	if (fcntl(fd, F_SETLEASE, F_WRLCK) < 0)
		return errno == EAGAIN ? error_set(err, EBUSY, "somebody has the file %s open", name)
				       : error_errno(err, errno, "cannot find out who has the file %s open", name);
	int r = remove_name(at, name, 0, err);
	if (r == 0 && fcntl(fd, F_GETLEASE) == F_WRLCK)
		r = overwrite(fd, name, err);
	return r;
}

static int shred_file(int at, const char *name, enum shred how, struct error *err)
{
	_cleanup_close_ int file = openat(at, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_close_ int fd = -1;

	if (file < 0)
		return error_errno(err, errno, "cannot open the file %s", name);
	int r = take_back(file, name, &fd, err);
	if (r < 0)
		return r;
	if (how == SHRED_IF_UNREAD)
		return shred_unread(at, name, fd, err);
	r = overwrite(fd, name, err);
	return r < 0 ? r : remove_name(at, name, 0, err);
}

static int shred_entry(int at, const char *name, enum shred how, unsigned depth, struct error *err);

/* Links first: whoever comes later finds nothing, instead of a part. */
static int shred_entries(int fd, const struct names *names, enum shred how, unsigned depth, struct error *err)
{
	struct stat status;
	int r = 0;

	for (size_t i = 0; i < names->n; i++) {
		if (fstatat(fd, names->items[i], &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(status.st_mode))
			r = first_of(r, remove_name(fd, names->items[i], 0, unless_failed(r, err)));
	}
	for (size_t i = 0; i < names->n; i++)
		r = first_of(r, shred_entry(fd, names->items[i], how, depth, unless_failed(r, err)));
	return r;
}

static int shred_directory(int at, const char *name, enum shred how, unsigned depth, struct error *err)
{
	_cleanup_(names_free) struct names names = {};
	_cleanup_close_ int fd = -1;

	int r = directory_enter(at, name, depth, &fd, &names, err);
	if (r == 0)
		r = shred_entries(fd, &names, how, depth + 1, err);
	return r < 0 ? r : remove_name(at, name, AT_REMOVEDIR, err);
}

static int shred_entry(int at, const char *name, enum shred how, unsigned depth, struct error *err)
{
	struct stat status;

	if (fstatat(at, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : error_errno(err, errno, "cannot look at %s", name);
	if (S_ISDIR(status.st_mode))
		return shred_directory(at, name, how, depth, err);
	return S_ISREG(status.st_mode) ? shred_file(at, name, how, err) : remove_name(at, name, 0, err);
}

int shred(int at, const char *name, enum shred how, struct error *err)
{
	return shred_entry(at, name, how, 0, err);
}
