// SPDX-License-Identifier: Apache-2.0
#include "deploy/install/readiness/enter.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "deploy/install/files/version.h"

static int change_root(const char *root, struct error *err)
{
	if (chdir(root) < 0)
		return error_errno(err, errno, "cannot enter the node's root %s", root);
	/* pivot_root(2), "pivot_root(".", ".")": the old root ends up under the new one, from where it goes. */
	if (syscall(SYS_pivot_root, ".", ".") < 0)
		return error_errno(err, errno, "cannot make %s the root (it must be a mount)", root);
	if (umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return error_errno(err, errno, "cannot leave the old root");
	if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
		return error_errno(err, errno, "cannot mount /proc");
	return 0;
}

int enter_root(const char *root, struct error *err)
{
	if (unshare(CLONE_NEWNS) < 0)
		return error_errno(err, errno, "cannot make a mount namespace");
	/* What the node mounts later is to come, what is unmounted here is not to go there. */
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return error_errno(err, errno, "cannot keep mounts to ourselves");
	return strcmp(root, "/") == 0 ? 0 : change_root(root, err);
}

/* The programs name their loader by its path below the prefix, so a version can only be run where that leads to it. */
int enter_version(const char *id, struct error *err)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), VERSION_PREFIX "/versions/%s", id);
	if (mount(path, VERSION_PREFIX "/current", NULL, MS_BIND, NULL) < 0)
		return error_errno(err, errno, "cannot put %s in the place of the current version", path);
	return 0;
}
