// SPDX-License-Identifier: Apache-2.0
/*
 * Capabilities that stay, and what for:
 *
 *	SYS_ADMIN          mounts, idmapped ones, attributes of an overlay; setns
 *	SYS_CHROOT         setns to a mount namespace
 *	DAC_OVERRIDE,      snapshots, volumes and fifos, whoever they belong to
 *	DAC_READ_SEARCH
 *	CHOWN, FOWNER,     an overlay acts on its layers with what its mounter had: copies up owners, modes and file capabilities, makes
 *	FSETID, MKNOD,     whiteouts; and the mounter's files are the pod's root's (setfsuid)
 *	SETFCAP, SETUID,
 *	SETGID
 *	KILL               QEMU and virtiofsd are other users
 *	NET_ADMIN          takes the tap and the redirection out of the pod's network
 *
 * Without execve and with no descriptor of another process's memory, that is less than it looks; the limits are against a shim that a
 * hostile guest makes grow: 1 GiB, where it has mapped 30 MiB; descriptors: three for each process's streams, and 500 layers of an image at
 * a time.
 */
#include "kata-shim/vm/jail/harden.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <malloc.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "common/base/array.h"

#define ALLOW(capability) (UINT64_C(1) << (capability))
#define CAPABILITIES                                                                                                                       \
	(ALLOW(CAP_SYS_ADMIN) | ALLOW(CAP_SYS_CHROOT) | ALLOW(CAP_DAC_OVERRIDE) | ALLOW(CAP_DAC_READ_SEARCH) | ALLOW(CAP_CHOWN) |          \
	 ALLOW(CAP_FOWNER) | ALLOW(CAP_FSETID) | ALLOW(CAP_MKNOD) | ALLOW(CAP_SETFCAP) | ALLOW(CAP_SETUID) | ALLOW(CAP_SETGID) |           \
	 ALLOW(CAP_KILL) | ALLOW(CAP_NET_ADMIN))

#define ADDRESS_SPACE_MAX (UINT64_C(1) << 30)
#define OPEN_FILES_MAX 65536

#define NEW_NAMESPACES (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)

/* A process, without any new namespace. (The threads of libuv are in the base.) */
#define PLAIN_CHILD 0, NEW_NAMESPACES | CLONE_THREAD | CLONE_VM, 0

/* A new mount: no remount, no bind, no move, no propagation; read-only and not executable as it likes. */
#define HARMLESS_MOUNT 3, ~(uint64_t)(MS_RDONLY | MS_NOEXEC), MS_NOSUID | MS_NODEV

#define REGULAR_FILE 2, S_IFMT, S_IFREG

static const struct sandbox_call calls[] = {
	/* a child that attaches mounts in virtiofsd's namespace; the pod's network namespace at the end */
	{ "clone", 1, { { PLAIN_CHILD } } },
	{ "setns", 1, { { SANDBOX_IS(1, CLONE_NEWNS) } } },
	{ "setns", 1, { { SANDBOX_IS(1, CLONE_NEWNET) } } },
	{ "wait4" },
	{ "waitid" },

	/* mounts */
	{ "open_tree" },
	{ "mount_setattr" },
	{ "move_mount" },
	{ "mount", 1, { { HARMLESS_MOUNT } } },
	{ "umount2" },
	{ "chdir" },
	{ "setfsuid" },
	{ "setfsgid" },
	{ "capget" },
	{ "capset" },
	{ "mknodat", 1, { { REGULAR_FILE } } },

	/* the end of a VM */
	{ "kill", 1, { { SANDBOX_IS(1, SIGKILL) } } },
	{ "pidfd_send_signal", 1, { { SANDBOX_IS(1, SIGKILL) } } },

	/* a shim that hangs is killed (kata-shim/task/watchdog.h) */
	{ "timer_settime" },
	{ "timer_settime64" },

	/* the guest's agent, where the host has vsock */
	{ "socket", 1, { { SANDBOX_IS(0, AF_VSOCK) } } },
};

int harden_shim(enum sandbox_filter filter, struct error *err)
{
	const struct sandbox sandbox = {
		.capabilities = CAPABILITIES,
		.address_space = ADDRESS_SPACE_MAX,
		.open_files = OPEN_FILES_MAX,
		.calls = calls,
		.n_calls = ELEMENTS_OF(calls),
		.filter = filter,
	};

	int r = sandbox_enter(&sandbox, err);
	malloc_trim(0); /* what libseccomp needed to make the filter: 170 KiB of 210 */
	return r;
}
