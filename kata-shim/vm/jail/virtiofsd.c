// SPDX-License-Identifier: Apache-2.0
/*
 * The jail does what both programs' own "namespace" sandbox would, and before they run. So they are told to use the lesser one, a chroot to
 * the share: in namespaces that they made themselves, mounts of later containers would not appear.
 *
 *	shim ── bind, listen ── socket ──► virtiofsd accepts when it is ready
 *	     └─ connect ───────────────► QEMU; waits in the backlog until then
 */
#include "kata-shim/vm/jail/virtiofsd_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "kata-shim/vm/jail/root.h"

#define ALLOW(capability) (UINT64_C(1) << (capability))

/* A file server's, which it keeps; then what it needs to become one: chroot, and to give up the rest. */
#define CAPABILITIES                                                                                                                       \
	(ALLOW(CAP_CHOWN) | ALLOW(CAP_DAC_OVERRIDE) | ALLOW(CAP_FOWNER) | ALLOW(CAP_FSETID) | ALLOW(CAP_SETGID) | ALLOW(CAP_SETUID) |      \
	 ALLOW(CAP_MKNOD) | ALLOW(CAP_SETFCAP) | ALLOW(CAP_SYS_CHROOT) | ALLOW(CAP_SETPCAP))

/* One for each file the guest knows of, so many as both would ask for. */
#define OPEN_FILES 1000000

/* ── the command line ── */

static const char *cache_option(enum virtiofsd_kind kind, enum virtiofsd_cache cache)
{
	static const char *const options[][3] = {
		[VIRTIOFSD_C] = { "cache=auto", "cache=always", "cache=none" },
		[VIRTIOFSD_RUST] = { "--cache=auto", "--cache=always", "--cache=never" },
	};

	return options[kind][cache];
}

static const char c_options[] = "source=" ROOT_SHARE ",sandbox=chroot,announce_submounts,xattr,no_posix_lock,no_flock,log_level=warn";

void virtiofsd_arguments(const char *path, enum virtiofsd_kind kind, enum virtiofsd_cache cache,
			 const char *ret[static VIRTIOFSD_ARGUMENTS_MAX])
{
	const char *const c[] = { path, "-f",      "--fd=3", "--thread-pool-size=1",           "--rlimit-nofile=0",
				  "-o", c_options, "-o",     cache_option(VIRTIOFSD_C, cache), NULL };
	const char *const rust[] = { path,
				     "--fd=3",
				     "--thread-pool-size=1",
				     "--rlimit-nofile=0",
				     "--shared-dir=" ROOT_SHARE,
				     "--sandbox=chroot",
				     "--announce-submounts",
				     "--xattr",
				     "--inode-file-handles=never",
				     "--log-level=warn",
				     cache_option(VIRTIOFSD_RUST, cache),
				     NULL };
	_Static_assert(sizeof(c) <= VIRTIOFSD_ARGUMENTS_MAX * sizeof(*ret) && sizeof(rust) <= VIRTIOFSD_ARGUMENTS_MAX * sizeof(*ret),
		       "the array is too small");
	_Static_assert(VIRTIOFSD_SOCKET == 3, "--fd");

	memcpy(ret, kind == VIRTIOFSD_C ? c : rust, kind == VIRTIOFSD_C ? sizeof(c) : sizeof(rust));
}

/* ── its start ── */

struct jail virtiofsd_jail(const struct virtiofsd *virtiofsd, const char *const *arguments)
{
	return (struct jail){
		.arguments = arguments,
		.paths = &virtiofsd->path,
		.n_paths = 1,
		.root = virtiofsd->directory,
		.proc = true,
		.proc_all = true, /* QEMU's looks into /proc/sys/fs/file-max, whatever it is told */
		.output = virtiofsd->output,
		.network_namespace = -1,
		.user_namespace = virtiofsd->user_namespace,
		.cgroup = virtiofsd->cgroup,
		.oom_score_adj = virtiofsd->oom_score_adj,
	};
}

/* By the directory's descriptor, since a socket's path has 107 bytes at most. If we are killed before unlink, share_clean_up removes it. */
static int make_connection(const char *directory, int *ret_listening, int *ret_connection, struct error *err)
{
	_cleanup_close_ int in = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC),
			    listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0),
			    connection = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/virtiofsd", in);
	unlink(address.sun_path);
	int r = bind(listening, (struct sockaddr *)&address, sizeof(address));
	if (r == 0)
		r = listen(listening, 1);
	if (r == 0)
		r = connect(connection, (struct sockaddr *)&address, sizeof(address));
	int code = errno;
	unlink(address.sun_path);
	if (r < 0)
		return error_errno(err, code, "cannot make virtiofsd's socket in %s", directory);
	*ret_listening = TAKE_FD(listening);
	*ret_connection = TAKE_FD(connection);
	return 0;
}

static int spawn_kind(const struct virtiofsd *virtiofsd, const char *share, int socket, struct jail_process *ret, struct error *err)
{
	const struct jail_descriptor descriptor = { .from = socket, .to = VIRTIOFSD_SOCKET };
	const char *arguments[VIRTIOFSD_ARGUMENTS_MAX];
	enum virtiofsd_kind kind;

	int r = virtiofsd_find_kind(virtiofsd, &kind, err);
	if (r < 0)
		return r;
	virtiofsd_arguments(virtiofsd->path, kind, virtiofsd->cache, arguments);
	struct jail jail = virtiofsd_jail(virtiofsd, arguments);
	jail.share = share;
	jail.descriptors = &descriptor;
	jail.n_descriptors = 1;
	jail.capabilities = CAPABILITIES;
	jail.open_files = OPEN_FILES;
	return jail_spawn(&jail, ret, err);
}

int virtiofsd_spawn(const struct virtiofsd *virtiofsd, struct jail_process *ret, int *ret_connection, struct error *err)
{
	_cleanup_free_ char *share = NULL;
	_cleanup_close_ int listening = -1, connection = -1;

	if (asprintf(&share, "%s/share", virtiofsd->directory) < 0)
		return error_nomem(err);
	if ((mkdir(share, 0755) < 0 && errno != EEXIST) || chmod(share, 0755) < 0)
		return error_errno(err, errno, "cannot make %s", share);
	int r = make_connection(share, &listening, &connection, err);
	if (r == 0)
		r = spawn_kind(virtiofsd, share, listening, ret, err);
	if (r < 0)
		return r;
	*ret_connection = TAKE_FD(connection);
	return 0;
}
