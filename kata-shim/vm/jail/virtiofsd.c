// SPDX-License-Identifier: Apache-2.0
/*
 * The jail does what both programs' own "namespace" sandbox would, and before they run. So they are told to use the lesser one, a chroot to
 * the share: in namespaces that they made themselves, mounts of later containers would not appear.
 *
 *	shim ── bind, listen ── socket ──► virtiofsd accepts when it is ready
 *	     └─ connect ───────────────► QEMU; waits in the backlog until then
 */
#include "kata-shim/vm/jail/virtiofsd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/array.h"
#include "common/base/cleanup.h"
#include "common/base/file.h"
#include "common/base/show.h"
#include "kata-shim/vm/jail/root.h"

#define ALLOW(capability) (UINT64_C(1) << (capability))

/* A file server's, which it keeps; then what it needs to become one: chroot, and to give up the rest. */
#define CAPABILITIES                                                                                                                       \
	(ALLOW(CAP_CHOWN) | ALLOW(CAP_DAC_OVERRIDE) | ALLOW(CAP_FOWNER) | ALLOW(CAP_FSETID) | ALLOW(CAP_SETGID) | ALLOW(CAP_SETUID) |      \
	 ALLOW(CAP_MKNOD) | ALLOW(CAP_SETFCAP) | ALLOW(CAP_SYS_CHROOT) | ALLOW(CAP_SETPCAP))

/* One for each file the guest knows of, so many as both would ask for. */
#define OPEN_FILES 1000000

#define VERSION_MAX 4096 /* bytes of what --version writes */

/* ── the command line ── */

int virtiofsd_kind_of(const char *version, enum virtiofsd_kind *ret, struct error *err)
{
	static const struct {
		const char *begins;
		enum virtiofsd_kind kind;
	} known[] = {
		{ "virtiofsd version ", VIRTIOFSD_C },    /* "virtiofsd version 7.2.22 (Debian …)\nCopyright …" */
		{ "virtiofsd backend ", VIRTIOFSD_RUST }, /* "virtiofsd backend 1.1.0" */
		{ "virtiofsd ", VIRTIOFSD_RUST },         /* "virtiofsd 1.13.3" */
	};

	for (size_t i = 0; i < ELEMENTS_OF(known); i++) {
		if (strncmp(version, known[i].begins, strlen(known[i].begins)) != 0)
			continue;
		*ret = known[i].kind;
		return 0;
	}
	return error_set(err, EINVAL, "it does not say that it is virtiofsd: to --version it says \"%s\"", SHOW(slice_string(version)));
}

static const char *cache_option(enum virtiofsd_kind kind, enum virtiofsd_cache cache)
{
	static const char *const options[][3] = {
		[VIRTIOFSD_C] = { "cache=auto", "cache=always", "cache=none" },
		[VIRTIOFSD_RUST] = { "--cache=auto", "--cache=always", "--cache=never" },
	};

	return options[kind][cache];
}

void virtiofsd_arguments(const char *path, enum virtiofsd_kind kind, enum virtiofsd_cache cache,
			 const char *ret[static VIRTIOFSD_ARGUMENTS_MAX])
{
	const char *const c[] = { path,
				  "-f",
				  "--fd=3",
				  "--thread-pool-size=1",
				  "--rlimit-nofile=0",
				  "-o",
				  "source=" ROOT_SHARE,
				  "-o",
				  "sandbox=chroot",
				  "-o",
				  "announce_submounts",
				  "-o",
				  "xattr",
				  "-o",
				  "no_posix_lock",
				  "-o",
				  "no_flock",
				  "-o",
				  "log_level=warn",
				  "-o",
				  cache_option(VIRTIOFSD_C, cache),
				  NULL };
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
	_Static_assert(sizeof(c) <= VIRTIOFSD_ARGUMENTS_MAX * sizeof(*ret) && sizeof(rust) <= sizeof(c), "the array is too small");
	_Static_assert(VIRTIOFSD_SOCKET == 3, "--fd");

	memcpy(ret, kind == VIRTIOFSD_C ? c : rust, kind == VIRTIOFSD_C ? sizeof(c) : sizeof(rust));
}

/* ── its start ── */

static struct jail jail_of(const struct virtiofsd *virtiofsd, const char *const *arguments)
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

static int ask_version(const struct virtiofsd *virtiofsd, struct buf *out, struct error *err)
{
	const char *const arguments[] = { virtiofsd->path, "--version", NULL };
	struct jail jail = jail_of(virtiofsd, arguments);
	struct jail_process process;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_errno(err, errno, "cannot make a pipe");
	_cleanup_close_ int from = ends[0];
	jail.output = ends[1];
	jail.cgroup = NULL; /* for two milliseconds it is not worth the wait for one of version 1 */
	int r = jail_spawn(&jail, &process, err);
	close(ends[1]);
	if (r < 0)
		return r;
	r = file_read_fd(from, "what virtiofsd says to --version", out, err);
	jail_end(&process);
	return r;
}

static int find_kind(const struct virtiofsd *virtiofsd, enum virtiofsd_kind *ret, struct error *err)
{
	_cleanup_(buf_free) struct buf version = BUF_MAX(VERSION_MAX);

	int r = ask_version(virtiofsd, &version, err);
	if (r < 0)
		return r;
	r = virtiofsd_kind_of(buf_text(&version), ret, err);
	return r < 0 ? error_wrap(err, "%s", virtiofsd->path) : 0;
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

	int r = find_kind(virtiofsd, &kind, err);
	if (r < 0)
		return r;
	virtiofsd_arguments(virtiofsd->path, kind, virtiofsd->cache, arguments);
	struct jail jail = jail_of(virtiofsd, arguments);
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
