// SPDX-License-Identifier: Apache-2.0
#include "tests/vm/guest_kata.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define PORTS "/sys/class/virtio-ports"
#define PORT_NAME "org.holdfast.agent\n"
#define SOCKET "kata-agent" /* abstract: file systems come and go while it starts */
#define PATIENCE_TICKS 6000
#define TICK_US 10000

static _Noreturn void die(const char *what)
{
	perror(what);
	_exit(EXIT_FAILURE);
}

static bool read_line(const char *path, char *line, int size)
{
	FILE *file = fopen(path, "re");
	bool good = file && fgets(line, size, file);

	if (file)
		fclose(file);
	return good;
}

/* ── The port ── */

static bool find_port(char *path, size_t size)
{
	DIR *directory = opendir(PORTS);
	struct dirent *entry;
	bool found = false;
	char name[64];

	while (directory && !found && (entry = readdir(directory))) {
		snprintf(path, size, PORTS "/%.100s/name", entry->d_name);
		found = read_line(path, name, sizeof(name)) && strcmp(name, PORT_NAME) == 0;
		snprintf(path, size, "/dev/%.100s", entry->d_name);
	}
	if (directory)
		closedir(directory);
	return found;
}

static int open_port(void)
{
	char path[160];

	for (int i = 0; i < PATIENCE_TICKS; i++) {
		const int fd = find_port(path, sizeof(path)) ? open(path, O_RDWR | O_CLOEXEC) : -1;
		if (fd >= 0)
			return fd;
		usleep(TICK_US);
	}
	die(PORTS);
}

/* ── The agent ── */

static int connect_agent(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const socklen_t size = offsetof(struct sockaddr_un, sun_path) + sizeof(SOCKET);

	memcpy(address.sun_path + 1, SOCKET, sizeof(SOCKET) - 1);
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	for (int i = 0; fd >= 0 && i < PATIENCE_TICKS; i++) {
		if (connect(fd, (struct sockaddr *)&address, size) == 0)
			return fd;
		usleep(TICK_US);
	}
	die("connect to kata-agent");
}

/* Until the host has it open, a port reads as at its end. */
static void carry(int from, int to, bool ends)
{
	static char bytes[64 * 1024];
	ssize_t n;

	while ((n = read(from, bytes, sizeof(bytes))) > 0 || !ends) {
		for (ssize_t done = 0; done < n;) {
			const ssize_t some = write(to, bytes + done, (size_t)(n - done));
			if (some < 0)
				die("carry");
			done += some;
		}
		if (n <= 0)
			usleep(TICK_US);
	}
}

static _Noreturn void bridge(void)
{
	const int port = open_port(), agent = connect_agent();

	if (fork() == 0)
		carry(agent, port, true);
	else
		carry(port, agent, false);
	_exit(EXIT_SUCCESS);
}

/* ── Process 1 ── */

static bool has_port(void)
{
	char line[4096] = "";

	return read_line("/proc/cmdline", line, sizeof(line)) && strstr(line, "holdfast.channel=port");
}

void guest_become_kata(void)
{
	if (has_port()) {
		setenv("KATA_AGENT_SERVER_ADDR", "unix://@" SOCKET, 1);
		if (fork() == 0)
			bridge();
	}
	execl(GUEST_KATA, "kata-agent", NULL);
	die(GUEST_KATA);
}
