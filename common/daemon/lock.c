// SPDX-License-Identifier: Apache-2.0
#include "common/daemon/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>

#include "common/base/cleanup.h"
#include "common/base/file.h"

int daemon_lock(const char *directory, int *ret_fd, struct error *err)
{
	_cleanup_free_ char *path = NULL;

	int r = file_make_directory(directory, 0700, err);
	if (r < 0)
		return r;
	if (asprintf(&path, "%s/lock", directory) < 0)
		return error_nomem(err);
	_cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return error_errno(err, errno, "cannot open %s", path);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return error_set(err, errno, "another one is running on this node: it holds %s", path);
	*ret_fd = TAKE_FD(fd);
	return 0;
}
