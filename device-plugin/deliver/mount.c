// SPDX-License-Identifier: Apache-2.0
/*
 * Secrets must never reach a disk, and swap is one. So they are on a tmpfs with `noswap`; on kernels before 6.4, which do not know that, on
 * a ramfs, which never was swapped out. A ramfs has no size; what we write is bounded anyhow (write.c).
 *
 * Whoever mounted it, once it is there it is judged by what it is: this daemon may have been started anew, or without CAP_SYS_ADMIN.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "common/base/array.h"
#include "common/base/file.h"
#include "device-plugin/deliver/internal.h"

#define MOUNT_SIZE "72m" /* VOLUMES_BYTES_MAX, records, and links with long names */
#define MOUNT_FLAGS (MS_NOSUID | MS_NODEV | MS_NOEXEC)
#define MOUNTINFO_MAX (4 * 1024 * 1024)
#define BY_HAND "mount -t tmpfs -o noswap,size=" MOUNT_SIZE ",mode=0700,nosuid,nodev,noexec holdfast"

static int mount_there(const char *directory, struct error *err)
{
	if (mount("holdfast", directory, "tmpfs", MOUNT_FLAGS, "noswap,size=" MOUNT_SIZE ",mode=0700") == 0)
		return 0;
	if (errno == EINVAL && mount("holdfast", directory, "ramfs", MOUNT_FLAGS, "mode=0700") == 0)
		return 0;
	if (errno == EPERM || errno == EACCES)
		return error_set(err, EPERM,
				 "cannot mount a tmpfs on %s: CAP_SYS_ADMIN is missing; give it to the daemon, or run `%s %s` before",
				 directory, BY_HAND, directory);
	return error_errno(err, errno, "cannot mount a tmpfs on %s", directory);
}

static int open_directory(const char *directory, int *ret, struct error *err)
{
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return error_errno(err, errno, "cannot open %s", directory);
	*ret = fd;
	return 0;
}

static int is_mounted(int fd, const char *directory, bool *ret, struct error *err)
{
	struct stat here, above;

	if (fstat(fd, &here) < 0 || fstatat(fd, "..", &above, 0) < 0)
		return error_errno(err, errno, "cannot look at %s", directory);
	*ret = here.st_dev != above.st_dev;
	return 0;
}

static int unfit(const char *directory, const char *why, struct error *err)
{
	return error_set(err, EINVAL, "what is mounted on %s is not fit for secrets: %s; unmount it, or run `%s %s`", directory, why,
			 BY_HAND, directory);
}

static bool is_option(const char *options, size_t n, const char *wanted)
{
	while (n > 0) {
		size_t length = strcspn(options, ",\n");

		if (length == strlen(wanted) && memcmp(options, wanted, length) == 0)
			return true;
		length = length < n ? length + 1 : n;
		options += length;
		n -= length;
	}
	return false;
}

/* A line for each mount: "36 35 98:0 /root /mount/point rw,noatime - tmpfs source rw,noswap"; spaces in names are escaped. */
static bool has_noswap(const char *mountinfo, dev_t device)
{
	char wanted[32];

	snprintf(wanted, sizeof(wanted), " %u:%u ", major(device), minor(device));
	for (const char *line = mountinfo; *line;) {
		size_t n = strcspn(line, "\n");
		const char *options = memrchr(line, ' ', n);

		if (memmem(line, n, wanted, strlen(wanted)) && is_option(options + 1, n - (size_t)(options + 1 - line), "noswap"))
			return true;
		line += n + (line[n] == '\n');
	}
	return false;
}

static int check_swap(int fd, const char *directory, dev_t device, struct error *err)
{
	_cleanup_(buf_free) struct buf mountinfo = BUF_MAX(MOUNTINFO_MAX);
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0)
		return error_errno(err, errno, "cannot look at the file system of %s", directory);
	if (fs.f_type == RAMFS_MAGIC)
		return 0;
	if (fs.f_type != TMPFS_MAGIC)
		return unfit(directory, "it is no tmpfs", err);
	int r = file_read("/proc/self/mountinfo", &mountinfo, err);
	if (r < 0)
		return r;
	return has_noswap(buf_text(&mountinfo), device) ? 0 : unfit(directory, "it is a tmpfs that may be swapped out", err);
}

static int check(int fd, const char *directory, struct error *err)
{
	struct statvfs flags;
	struct stat root;

	if (fstat(fd, &root) < 0 || fstatvfs(fd, &flags) < 0)
		return error_errno(err, errno, "cannot look at %s", directory);
	int r = check_swap(fd, directory, root.st_dev, err);
	if (r < 0)
		return r;
	if (root.st_uid != 0 || (root.st_mode & 077) != 0)
		return unfit(directory, "others than root may look into it", err);
	if (flags.f_flag & ST_RDONLY)
		return unfit(directory, "it is read-only", err);
	if ((~flags.f_flag & (ST_NOSUID | ST_NODEV | ST_NOEXEC)) != 0)
		return unfit(directory, "it lacks nosuid, nodev or noexec", err);
	return 0;
}

/* Two daemons would take each other's unfinished versions for the leavings of a crash. */
static int lock(int fd, const char *directory, struct error *err)
{
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	if (errno == EWOULDBLOCK)
		return error_set(err, EBUSY, "%s is in use by another holdfast-tpm: end that first", directory);
	return error_errno(err, errno, "cannot lock %s", directory);
}

static int mount_if_needed(const char *directory, struct error *err)
{
	_cleanup_close_ int fd = -1;
	bool mounted;

	int r = file_make_directory(directory, 0700, err);
	if (r == 0)
		r = open_directory(directory, &fd, err);
	if (r == 0)
		r = is_mounted(fd, directory, &mounted, err);
	return r < 0 || mounted ? r : mount_there(directory, err);
}

int volumes_mount(const char *directory, int *ret, struct error *err)
{
	_cleanup_close_ int fd = -1;

	int r = mount_if_needed(directory, err);
	if (r == 0)
		r = open_directory(directory, &fd, err);
	if (r == 0)
		r = check(fd, directory, err);
	if (r == 0)
		r = lock(fd, directory, err);
	if (r == 0)
		*ret = TAKE_FD(fd);
	return r;
}
