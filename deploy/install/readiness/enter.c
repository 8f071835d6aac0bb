// SPDX-License-Identifier: Apache-2.0
#include "deploy/install/readiness/enter.h"

#include <errno.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

int enter_root(const char *root, struct error *err)
{
	if (unshare(CLONE_NEWNS) < 0)
		return error_errno(err, errno, "cannot make a mount namespace");
	/* What the node mounts later is to come, what is unmounted here is not to go there. */
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return error_errno(err, errno, "cannot keep mounts to ourselves");
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
