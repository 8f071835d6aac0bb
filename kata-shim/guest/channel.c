// SPDX-License-Identifier: Apache-2.0
/*
 * A virtio-serial port is announced in three steps that come when they come: the device, its name, and that the host has it open. Each of
 * them is waited for by what tells of it: the kernel's events, and the port itself. Until the host has it open, reading from a port is
 * like the end of a file.
 *
 * By vsock any process of the host can connect, whoever its user is, and the agent obeys whom it serves. So it serves one connection only,
 * the shim's, which has been waiting for it. If another process is quicker, the shim's VM does not start.
 *
 * A connection that is closed before it has said anything is none: the shim gives up a try after 200 ms, and where the guest is slower its
 * kernel makes a connection of that try all the same. So the first byte counts, and one connection at a time is asked for it.
 */
#include "kata-shim/guest/channel.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/vm_sockets.h>
#include <poll.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

#include "common/base/file.h"
#include "common/base/log.h"

#define PARAMETER "holdfast.channel="
#define WAIT_MS 10000
#define BACKLOG 1
#define PORTS "/sys/class/virtio-ports"

int channel_read(struct slice command_line, enum channel *ret, struct error *err)
{
	enum channel channel = CHANNEL_VSOCK;
	struct slice value;

	while (command_line.n > 0) {
		size_t n = 0;

		while (n < command_line.n && command_line.p[n] != ' ' && command_line.p[n] != '\n')
			n++;
		struct slice word = slice_from(command_line.p, n);
		n += n < command_line.n;
		command_line = slice_from(command_line.p + n, command_line.n - n);
		if (!slice_skip_prefix(word, PARAMETER, &value))
			continue;
		if (slice_equals_string(value, "port"))
			channel = CHANNEL_PORT;
		else if (slice_equals_string(value, "vsock"))
			channel = CHANNEL_VSOCK;
		else
			return error_set(err, EINVAL, "kernel command line: " SLICE_FORMAT ": must be port or vsock", SLICE_ARGS(word));
	}
	*ret = channel;
	return 0;
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ── A virtio-serial port ── */

/* True: `path` is its device. */
static bool is_named(const char *device, char path[static 300])
{
	_cleanup_(buf_free) struct buf name = BUF_MAX(256);
	struct error ignored;

	snprintf(path, 300, PORTS "/%.200s/name", device);
	if (file_read(path, &name, &ignored) < 0)
		return false;
	snprintf(path, 300, "/dev/%.200s", device);
	return strcmp(buf_text(&name), CHANNEL_PORT_NAME "\n") == 0;
}

static bool find_port(char path[static 300])
{
	DIR *directory = opendir(PORTS);
	const struct dirent *entry;
	bool found = false;

	while (directory && !found && (entry = readdir(directory)))
		found = entry->d_name[0] != '.' && is_named(entry->d_name, path);
	if (directory)
		closedir(directory);
	return found;
}

static int open_events(struct error *err)
{
	struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);

	if (fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	int r = error_errno(err, errno, "cannot listen to the kernel's events");
	if (fd >= 0)
		close(fd);
	return r;
}

static int wait_for_port(char path[static 300], struct error *err)
{
	_cleanup_close_ int events = open_events(err);
	int64_t end = now_ms() + WAIT_MS;
	char event[4096];

	if (events < 0)
		return events;
	while (!find_port(path)) {
		struct pollfd poll_fd = { .fd = events, .events = POLLIN };
		int64_t left = end - now_ms();

		if (left <= 0)
			return error_set(err, ETIMEDOUT,
					 "no virtio-serial port is named " CHANNEL_PORT_NAME " after %d s: the VM needs one",
					 WAIT_MS / 1000);
		poll(&poll_fd, 1, (int)left);
		while (recv(events, event, sizeof(event), 0) >= 0)
			;
	}
	return 0;
}

/* Edges only: a port that the host has not opened is always "hung up". */
static int wait_for_host(int port, struct error *err)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLET };
	_cleanup_close_ int waiter = epoll_create1(EPOLL_CLOEXEC);
	struct pollfd state = { .fd = port };

	if (waiter < 0 || epoll_ctl(waiter, EPOLL_CTL_ADD, port, &event) < 0)
		return error_errno(err, errno, "cannot wait for the host");
	for (int64_t end = now_ms() + WAIT_MS; poll(&state, 1, 0) > 0 && state.revents & POLLHUP;) {
		int64_t left = end - now_ms();

		if (left <= 0)
			return error_set(err, ETIMEDOUT, "the host has not opened the port " CHANNEL_PORT_NAME " after %d s",
					 WAIT_MS / 1000);
		epoll_wait(waiter, &event, 1, (int)left);
	}
	return 0;
}

static int serve_port(struct agent *agent, void (*lost)(void *agent, const struct error *why), struct error *err)
{
	char path[300];

	int r = wait_for_port(path, err);
	if (r < 0)
		return r;
	_cleanup_close_ int fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return error_errno(err, errno, "cannot open %s", path);
	r = wait_for_host(fd, err);
	return r < 0 ? r : ttrpc_server_add(agent->server, TAKE_FD(fd), lost, agent, err);
}

/* ── vsock ── */

static struct {
	uv_poll_t poll, first; /* `first`: of the connection that has said nothing yet */
	int fd, first_fd;
	struct agent *agent;
	void (*lost)(void *agent, const struct error *why);
} listener = { .fd = -1, .first_fd = -1 };

static void on_connection(uv_poll_t *poll, int status, int events);

static void on_first_closed(uv_handle_t *handle)
{
	if (listener.fd >= 0)
		uv_poll_start(&listener.poll, UV_READABLE, on_connection);
}

static void serve_first(void)
{
	struct error err;
	int fd = TAKE_FD(listener.first_fd);

	uv_close((uv_handle_t *)&listener.first, NULL);
	channel_close();
	if (ttrpc_server_add(listener.agent->server, fd, listener.lost, listener.agent, &err) < 0)
		listener.lost(listener.agent, &err);
}

static void on_first(uv_poll_t *poll, int status, int events)
{
	char byte;
	ssize_t n = recv(listener.first_fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	if (n > 0) {
		serve_first();
	} else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		uv_close((uv_handle_t *)&listener.first, on_first_closed);
		close(TAKE_FD(listener.first_fd));
	}
}

static void on_connection(uv_poll_t *poll, int status, int events)
{
	int fd = accept4(listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	if (uv_poll_init(poll->loop, &listener.first, fd) < 0) {
		close(fd);
		return;
	}
	listener.first_fd = fd;
	uv_poll_stop(&listener.poll);
	uv_poll_start(&listener.first, UV_READABLE | UV_DISCONNECT, on_first);
}

static int serve_vsock(struct agent *agent, void (*lost)(void *agent, const struct error *why), struct error *err)
{
	const struct sockaddr_vm address = { .svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY, .svm_port = CHANNEL_VSOCK_PORT };
	_cleanup_close_ int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, BACKLOG) < 0)
		return error_errno(err, errno, "cannot listen on vsock port %d", CHANNEL_VSOCK_PORT);
	int r = uv_poll_init(agent->loop, &listener.poll, fd);
	if (r == 0)
		r = uv_poll_start(&listener.poll, UV_READABLE, on_connection);
	if (r < 0)
		return error_set(err, -r, "cannot listen on vsock port %d: %s", CHANNEL_VSOCK_PORT, uv_strerror(r));
	listener.agent = agent;
	listener.lost = lost;
	listener.fd = TAKE_FD(fd);
	return 0;
}

int channel_serve(enum channel channel, struct agent *agent, void (*lost)(void *agent, const struct error *why), struct error *err)
{
	return channel == CHANNEL_PORT ? serve_port(agent, lost, err) : serve_vsock(agent, lost, err);
}

void channel_close(void)
{
	if (listener.fd < 0)
		return;
	uv_close((uv_handle_t *)&listener.poll, NULL);
	close(TAKE_FD(listener.fd));
	if (listener.first_fd < 0)
		return;
	uv_close((uv_handle_t *)&listener.first, NULL);
	close(TAKE_FD(listener.first_fd));
}
