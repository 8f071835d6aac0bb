// SPDX-License-Identifier: Apache-2.0
/*
 * pulse: probes of every kind, with a millisecond between them, for as long as something happens. Reads what to probe from stdin, one a
 * line, says "ready", and goes on until SIGTERM; then prints what came of each.
 *
 *	FROM_NETNS SOURCE TO_NETNS DESTINATION tcp|udp|flow PORT   →   the line and "sent N arrived N answered N"
 *
 * tcp: a new connection each time; answered when its handshake is done in less time than the repetition of a SYN takes. udp: a
 * datagram from a new port and its echo. flow: a datagram and its echo of one flow that never ends.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PROBES_MAX 16
#define OPEN_MAX 1024  /* connections and datagrams on their way, of each probe */
#define LATE_MS 900    /* Linux repeats a SYN after 1 s */
#define SETTLE_MS 1000 /* for the last ones */
#define BUFFER (4 << 20)

struct probe {
	char line[256];
	int from, to; /* network namespaces */
	struct sockaddr_in source, destination;
	bool tcp, flow;
	int server, client;           /* client: of a flow */
	struct pollfd open[OPEN_MAX]; /* fd -1: none */
	uint64_t opened_ms[OPEN_MAX];
	size_t next, n_open;
	unsigned long sent, arrived, answered;
};

static struct probe probes[PROBES_MAX];
static size_t n_probes;
static volatile sig_atomic_t ended;

static void fail(const char *what)
{
	fprintf(stderr, "pulse: %s: %s\n", what, strerror(errno));
	exit(EXIT_FAILURE);
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static int open_netns(const char *netns)
{
	char path[128];

	snprintf(path, sizeof(path), "/run/netns/%s", netns);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		fail(path);
	return fd;
}

static void enter(int netns)
{
	if (setns(netns, CLONE_NEWNET) < 0)
		fail("setns");
}

static int open_socket(const struct probe *probe)
{
	const int buffer = BUFFER;
	const struct linger linger = { .l_onoff = 1 };
	int fd = socket(AF_INET, (probe->tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		fail("socket");
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)); /* close leaves no connection behind */
	if (!probe->tcp)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer));
	return fd;
}

static int open_server(const struct probe *probe)
{
	int fd = open_socket(probe);

	if (bind(fd, (const struct sockaddr *)&probe->destination, sizeof(probe->destination)) < 0)
		fail(probe->line);
	if (probe->tcp && listen(fd, 4096) < 0)
		fail(probe->line);
	return fd;
}

static int open_client(const struct probe *probe)
{
	const int on = 1;
	int fd = open_socket(probe);

	if (probe->tcp) /* so that connect may choose among all ports, not only those that are free for everybody */
		setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	if (bind(fd, (const struct sockaddr *)&probe->source, sizeof(probe->source)) < 0)
		fail(probe->line);
	if (connect(fd, (const struct sockaddr *)&probe->destination, sizeof(probe->destination)) < 0 && errno != EINPROGRESS)
		fail(probe->line);
	return fd;
}

static void read_probe(const char *line)
{
	struct probe *probe = &probes[n_probes++];
	char from[64], source[64], to[64], destination[64], kind[8];
	unsigned port;

	snprintf(probe->line, sizeof(probe->line), "%s", line);
	if (sscanf(line, "%63s %63s %63s %63s %7s %u", from, source, to, destination, kind, &port) != 6)
		fail(line);
	probe->from = open_netns(from);
	probe->to = open_netns(to);
	probe->tcp = strcmp(kind, "tcp") == 0;
	probe->flow = strcmp(kind, "flow") == 0;
	probe->source.sin_family = probe->destination.sin_family = AF_INET;
	probe->destination.sin_port = htons((uint16_t)port);
	if (inet_pton(AF_INET, source, &probe->source.sin_addr) != 1 || inet_pton(AF_INET, destination, &probe->destination.sin_addr) != 1)
		fail(line);
	for (size_t i = 0; i < OPEN_MAX; i++)
		probe->open[i].fd = -1;
	enter(probe->to);
	probe->server = open_server(probe);
	enter(probe->from);
	probe->client = probe->flow ? open_client(probe) : -1;
}

static void read_probes(void)
{
	char line[256];

	while (n_probes < PROBES_MAX && fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = 0;
		read_probe(line);
	}
}

/* The server closes at once: a reset comes after a handshake only. */
static bool has_connected(int fd)
{
	socklen_t n = sizeof(int);
	int error = 0;

	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n) == 0 && (error == 0 || error == ECONNRESET);
}

static bool has_answer(const struct probe *probe, int fd)
{
	char byte;

	return probe->tcp ? has_connected(fd) : recv(fd, &byte, 1, 0) == 1;
}

static void serve(struct probe *probe)
{
	struct sockaddr_in from;
	socklen_t n = sizeof(from);
	char byte;

	if (probe->tcp) {
		int fd;
		while ((fd = accept(probe->server, NULL, NULL)) >= 0) {
			probe->arrived++;
			close(fd);
		}
		return;
	}
	while (recvfrom(probe->server, &byte, 1, 0, (struct sockaddr *)&from, &n) == 1) {
		probe->arrived++;
		(void)sendto(probe->server, &byte, 1, 0, (struct sockaddr *)&from, n);
	}
}

static void collect(struct probe *probe)
{
	char byte;

	while (probe->flow && recv(probe->client, &byte, 1, 0) == 1)
		probe->answered++;
	if (probe->n_open > 0)
		poll(probe->open, OPEN_MAX, 0);
	for (size_t i = 0; i < OPEN_MAX && probe->n_open > 0; i++) {
		struct pollfd *open = &probe->open[i];
		if (open->fd < 0)
			continue;
		bool answered = open->revents && has_answer(probe, open->fd), late = now_ms() - probe->opened_ms[i] > LATE_MS;
		if (!answered && !late)
			continue;
		probe->answered += answered && !late;
		close(open->fd);
		open->fd = -1;
		probe->n_open--;
	}
}

static void fire(struct probe *probe)
{
	struct pollfd *open = &probe->open[probe->next];
	int fd = probe->client;

	if (!probe->flow) {
		if (open->fd >= 0) /* all are on their way: wait for the oldest */
			return;
		enter(probe->from);
		fd = open_client(probe);
		*open = (struct pollfd){ .fd = fd, .events = probe->tcp ? POLLOUT : POLLIN };
		probe->opened_ms[probe->next] = now_ms();
		probe->n_open++;
		probe->next = (probe->next + 1) % OPEN_MAX;
	}
	if (!probe->tcp && send(fd, "", 1, 0) != 1)
		return;
	probe->sent++;
}

static void turn(bool firing)
{
	const struct timespec pause = { .tv_nsec = 1000000 };

	for (size_t i = 0; i < n_probes; i++) {
		if (firing)
			fire(&probes[i]);
		serve(&probes[i]);
		collect(&probes[i]);
	}
	nanosleep(&pause, NULL);
}

static void on_term(int number)
{
	ended = 1;
}

int main(void)
{
	setpriority(PRIO_PROCESS, 0, -20); /* a busy machine must not make it blink */
	read_probes();
	signal(SIGTERM, on_term);
	puts("ready");
	fflush(stdout);
	while (!ended)
		turn(true);
	for (uint64_t end = now_ms() + SETTLE_MS; now_ms() < end;)
		turn(false);
	for (size_t i = 0; i < n_probes; i++)
		printf("%s sent %lu arrived %lu answered %lu\n", probes[i].line, probes[i].sent, probes[i].arrived, probes[i].answered);
	return EXIT_SUCCESS;
}
