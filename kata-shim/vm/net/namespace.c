// SPDX-License-Identifier: Apache-2.0
/*
 * A socket, and a /dev/net/tun, belong for good to the namespace in which they were opened: to open them is all that is done in there.
 */
#include "kata-shim/vm/net/namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "common/base/cleanup.h"

static bool is_same(int a, int b)
{
	struct stat one, other;

	return fstat(a, &one) < 0 || fstat(b, &other) < 0 || (one.st_dev == other.st_dev && one.st_ino == other.st_ino);
}

int namespace_open(const char *path, struct namespace *ret, struct error *err)
{
	_cleanup_close_ int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	_cleanup_close_ int pod = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct statfs fs;

	if (pod < 0)
		return error_errno(err, errno, "cannot open the pod's network namespace %s", path);
	if (home < 0)
		return error_errno(err, errno, "cannot open /proc/thread-self/ns/net");
	if (fstatfs(pod, &fs) < 0 || fs.f_type != NSFS_MAGIC)
		return error_set(
			err, EINVAL,
			"%s is no network namespace: nothing is mounted there any more; delete the pod's sandbox, kubelet makes a new one",
			path);
	if (is_same(home, pod))
		return error_set(err, EOPNOTSUPP, "%s is the host's own network namespace, which a VM pod cannot have", path);
	*ret = (struct namespace){ .home = TAKE_FD(home), .pod = TAKE_FD(pod) };
	return 0;
}

void namespace_close(struct namespace *namespace)
{
	cleanup_close(&namespace->home);
	cleanup_close(&namespace->pod);
}

int namespace_open_in(const struct namespace *namespace, int (*opens)(void), const char *what, int *ret, struct error *err)
{
	if (setns(namespace->pod, CLONE_NEWNET) < 0)
		return error_errno(err, errno, "cannot enter the pod's network namespace");
	int fd = opens();
	int code = errno;
	if (setns(namespace->home, CLONE_NEWNET) < 0)
		abort();
	if (fd < 0)
		return error_errno(err, code, "cannot open %s", what);
	*ret = fd;
	return 0;
}
