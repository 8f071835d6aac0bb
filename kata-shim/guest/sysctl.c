// SPDX-License-Identifier: Apache-2.0
#include "kata-shim/guest/sysctl.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "common/base/array.h"
#include "common/base/cleanup.h"
#include "common/base/file.h"
#include "common/base/show.h"
#include "kata-shim/guest/sandbox.h"

/* Which belong to a namespace (kernel: ipc/ipc_sysctl.c, ipc/mq_sysctl.c). A name that ends in / is all below it. */
static const struct {
	const char *path;
	bool ipc;
} known[] = {
	{ "net/", false },         { "fs/mqueue/", true },
	{ "kernel/msgmax", true }, { "kernel/msgmnb", true },
	{ "kernel/msgmni", true }, { "kernel/sem", true },
	{ "kernel/shmall", true }, { "kernel/shmmax", true },
	{ "kernel/shmmni", true }, { "kernel/shm_rmid_forced", true },
};

/* As sysctl(8): what comes first, a dot or a slash, separates; the other one stands for it in the name of an interface (eth0/1). */
static void swap_separators(char *path)
{
	if (path[strcspn(path, "./")] != '.')
		return;
	for (; *path; path++) {
		if (*path == '.')
			*path = '/';
		else if (*path == '/')
			*path = '.';
	}
}

int sysctl_path(const char *name, char ret[static SYSCTL_PATH_MAX], bool *ret_ipc, struct error *err)
{
	if (strlen(name) >= SYSCTL_PATH_MAX)
		return error_set(err, EINVAL, "sysctl %s: the name is too long", SHOW(slice_string(name)));
	strcpy(ret, name);
	swap_separators(ret);
	if (strstr(ret, "..") || strstr(ret, "//") || strstr(ret, "/./"))
		return error_set(err, EINVAL, "sysctl %s: that is no name", SHOW(slice_string(name)));
	for (size_t i = 0; i < ELEMENTS_OF(known); i++) {
		size_t n = strlen(known[i].path);

		if (strncmp(ret, known[i].path, n) == 0 && (known[i].path[n - 1] == '/' ? ret[n] != 0 : ret[n] == 0)) {
			*ret_ipc = known[i].ipc;
			return 0;
		}
	}
	return error_set(err, EINVAL,
			 "sysctl %s belongs to no namespace of a pod: only net.*, fs.mqueue.*, kernel.msg*, kernel.sem and kernel.shm* do",
			 SHOW(slice_string(name)));
}

static int set_one(const char *path, const char *value, struct error *err)
{
	char file[sizeof("/proc/sys/") + SYSCTL_PATH_MAX];

	snprintf(file, sizeof(file), "/proc/sys/%s", path);
	_cleanup_close_ int fd = open(file, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return error_errno(err, errno, "cannot open %s in the guest", file);
	if (write(fd, value, strlen(value)) < 0)
		return error_set(err, EINVAL, "%s does not take \"%s\": %s", file, SHOW(slice_string(value)), strerror(errno));
	return 0;
}

static int set_each(Oci__StringEntry *const *entries, size_t n, bool of_ipc, struct error *err)
{
	char path[SYSCTL_PATH_MAX];
	bool ipc;
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++) {
		r = sysctl_path(entries[i]->key, path, &ipc, err);
		if (r == 0 && ipc == of_ipc)
			r = set_one(path, entries[i]->value, err);
	}
	return r;
}

/* Files below /proc/sys are those of the namespace of who opens them; the agent has no thread that it could send there, and needs none. */
static int set_in_sandbox(Oci__StringEntry *const *entries, size_t n, struct error *err)
{
	_cleanup_close_ int own = open("/proc/self/ns/ipc", O_RDONLY | O_CLOEXEC);
	_cleanup_close_ int sandbox = open(GUEST_NS_IPC, O_RDONLY | O_CLOEXEC);

	if (own < 0 || sandbox < 0 || setns(sandbox, CLONE_NEWIPC) < 0)
		return error_errno(err, errno, "cannot enter the sandbox's IPC namespace " GUEST_NS_IPC);
	int r = set_each(entries, n, true, err);
	if (setns(own, CLONE_NEWIPC) < 0)
		return error_errno(err, errno, "cannot leave the sandbox's IPC namespace");
	return r;
}

int sysctl_set_all(Oci__StringEntry *const *entries, size_t n, struct error *err)
{
	int r = n > 0 ? set_each(entries, n, false, err) : 0;

	return r == 0 && n > 0 ? set_in_sandbox(entries, n, err) : r;
}
