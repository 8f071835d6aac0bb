// SPDX-License-Identifier: Apache-2.0
#include "common/rpc/unix_socket.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

int unix_socket_listen(uv_pipe_t *pipe, const char *path, int backlog, uv_connection_cb on_connection, struct error *err)
{
	if (strlen(path) >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return error_set(err, ENAMETOOLONG, "cannot listen on %s: the path is too long for a unix socket", path);
	unlink(path);
	mode_t before = umask(0177);
	int r = uv_pipe_bind(pipe, path);
	umask(before);
	if (r == 0)
		r = uv_listen((uv_stream_t *)pipe, backlog, on_connection);
	return r < 0 ? error_set(err, -r, "cannot listen on %s: %s", path, uv_strerror(r)) : 0;
}

bool unix_socket_peer_is(uv_pipe_t *pipe, uid_t uid)
{
	struct ucred peer;
	socklen_t n = sizeof(peer);
	uv_os_fd_t fd;

	return uv_fileno((uv_handle_t *)pipe, &fd) == 0 && getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) == 0 && peer.uid == uid;
}
