// SPDX-License-Identifier: Apache-2.0
/* Where a shim is: its socket, and who serves it. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/show.h"
#include "kata-shim/bundle/bundle.h"
#include "kata-shim/task/shim.h"

#define SCHEME "unix://"
#define PATIENCE_MS 1000 /* of one that is about to end */
#define DYING_MS 3000

int shim_socket_path(const char *directory, const char *sandbox, char ret[static SHIM_SOCKET_MAX + 1], struct error *err)
{
	if (!*directory)
		directory = SHIM_SOCKET_DIRECTORY;
	if (snprintf(ret, SHIM_SOCKET_MAX + 1, "%s/holdfast-%s", directory, sandbox) <= SHIM_SOCKET_MAX)
		return 0;
	return error_set(err, ENAMETOOLONG, "socket %s/holdfast-%s has more than %d bytes: shorten containerd's directory of sockets",
			 directory, sandbox, SHIM_SOCKET_MAX);
}

int shim_read_address(int bundle, char ret[static SHIM_SOCKET_MAX + 1], struct error *err)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(sizeof(SCHEME) + SHIM_SOCKET_MAX);
	struct slice path;

	int r = bundle_read_file(bundle, SHIM_ADDRESS_FILE, false, &text, err);
	if (r < 0)
		return r;
	if (!slice_skip_prefix(buf_view(&text), SCHEME "/", &path) || path.n >= SHIM_SOCKET_MAX || memchr(path.p, 0, path.n))
		return error_set(err, EINVAL, SHIM_ADDRESS_FILE " is \"%s\", and no path of a socket", SHOW(buf_view(&text)));
	snprintf(ret, SHIM_SOCKET_MAX + 1, "/" SLICE_FORMAT, SLICE_ARGS(path));
	return 0;
}

int shim_write_address(int bundle, const char *socket, struct error *err)
{
	_cleanup_close_ int fd = openat(bundle, SHIM_ADDRESS_FILE, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	char text[sizeof(SCHEME) + SHIM_SOCKET_MAX];

	if (fd < 0)
		return error_errno(err, errno, "cannot create " SHIM_ADDRESS_FILE " in the bundle");
	snprintf(text, sizeof(text), SCHEME "%s", socket);
	return file_write_fd(fd, slice_string(text), SHIM_ADDRESS_FILE, err);
}

/* A pidfd of the process that listens there; -errno: there is none. */
static int find_server(const char *path, pid_t *ret_pid)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct ucred peer;
	socklen_t size = sizeof(peer);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return -errno;
	*ret_pid = peer.pid;
	const int server = (int)syscall(SYS_pidfd_open, peer.pid, 0);
	return server < 0 ? -errno : server;
}

int shim_end(const char *path, struct error *err)
{
	pid_t pid;
	_cleanup_close_ int server = find_server(path, &pid);
	struct pollfd gone = { .fd = server, .events = POLLIN };

	if (server < 0 || poll(&gone, 1, PATIENCE_MS) > 0)
		return unlink(path) == 0; /* one that ends by itself takes it away */
	if (syscall(SYS_pidfd_send_signal, server, SIGKILL, NULL, 0) < 0 && errno != ESRCH)
		return error_errno(err, errno, "cannot kill the shim, process %d", (int)pid);
	if (poll(&gone, 1, DYING_MS) <= 0)
		return error_set(err, ETIMEDOUT, "the shim, process %d, does not end", (int)pid);
	unlink(path);
	return 1;
}
