// SPDX-License-Identifier: Apache-2.0
/*
 * flood: as many packets as the machine can send, for as long as something happens. Reads what to send from stdin, one a line, says
 *"ready", and goes on until SIGTERM; then prints what came of each.
 *
 *	allowed|forbidden FROM_NETNS SOURCE TO_NETNS DESTINATION udp|tcp PORT   →   the line and "sent N arrived N"
 *
 * What the sender's own kernel refuses is not sent; the line says then how often, and why at last.
 *
 * udp: datagrams of one flow. tcp: the SYN of a new connection each time. A thread per line; of what is allowed it sends the next when the
 * last has arrived, or is lost, so that no queue on the way is ever full.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/ip.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define STREAMS_MAX 32
#define LOST_MS 500
#define BUFFER (4 << 20)

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

struct stream {
	char line[256];
	bool allowed, tcp;
	uint16_t port;
	union address source, destination;
	int from;    /* network namespace of the sender */
	int arrival; /* a raw socket where the packets should arrive, or should not */
	unsigned long sent, arrived, refused;
	int refusal; /* errno of the last of these */
	pthread_t thread;
};

static struct stream streams[STREAMS_MAX];
static size_t n_streams;
static atomic_bool ended;

static void fail(const char *what)
{
	fprintf(stderr, "flood: %s: %s\n", what, strerror(errno));
	exit(EXIT_FAILURE);
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

static union address parse(const char *text, uint16_t port)
{
	union address address = { .v4 = { .sin_family = AF_INET, .sin_port = htons(port) } };

	if (inet_pton(AF_INET, text, &address.v4.sin_addr) == 1)
		return address;
	address = (union address){ .v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) } };
	if (inet_pton(AF_INET6, text, &address.v6.sin6_addr) != 1)
		fail(text);
	return address;
}

static socklen_t size_of(const union address *address)
{
	return address->any.sa_family == AF_INET ? sizeof(address->v4) : sizeof(address->v6);
}

static void read_stream(const char *line)
{
	char verdict[16], from[64], source[64], to[64], destination[64], kind[8];
	struct stream *stream = &streams[n_streams++];
	const int buffer = BUFFER;

	snprintf(stream->line, sizeof(stream->line), "%s", line);
	if (sscanf(line, "%15s %63s %63s %63s %63s %7s %hu", verdict, from, source, to, destination, kind, &stream->port) != 7)
		fail(line);
	stream->allowed = strcmp(verdict, "allowed") == 0;
	stream->tcp = strcmp(kind, "tcp") == 0;
	stream->source = parse(source, stream->port);
	stream->destination = parse(destination, stream->port);
	enter(open_netns(to));
	stream->arrival = socket(stream->destination.any.sa_family, SOCK_RAW | SOCK_CLOEXEC, stream->tcp ? IPPROTO_TCP : IPPROTO_UDP);
	if (stream->arrival < 0)
		fail(line);
	setsockopt(stream->arrival, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer));
	stream->from = open_netns(from);
}

/*
 * From the port that it goes to: so it is one connection for conntrack, whose table would be full in seconds otherwise. -1 and errno if
 * the kernel refuses.
 */
static int open_sender(const struct stream *stream)
{
	const struct linger linger = { .l_onoff = 1 };
	const int on = 1;
	int fd = socket(stream->source.any.sa_family, (stream->tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	if (bind(fd, &stream->source.any, size_of(&stream->source)) == 0 &&
	    (connect(fd, &stream->destination.any, size_of(&stream->destination)) == 0 || errno == EINPROGRESS))
		return fd;
	int refusal = errno;
	close(fd);
	errno = refusal;
	return -1;
}

/* A raw socket of IPv4 gives the IP header too. */
static bool is_ours(const struct stream *stream, const uint8_t *packet, size_t n)
{
	size_t at = stream->source.any.sa_family == AF_INET ? (size_t)(packet[0] & 15) * 4 : 0;

	return n >= at + 4 && packet[at + 2] == stream->port >> 8 && packet[at + 3] == (stream->port & 255);
}

/* Takes what has arrived; true if something of the stream has. */
static bool take_arrivals(struct stream *stream)
{
	unsigned long before = stream->arrived;
	uint8_t packet[256];
	ssize_t n;

	while ((n = recv(stream->arrival, packet, sizeof(packet), MSG_DONTWAIT)) > 0)
		stream->arrived += is_ours(stream, packet, (size_t)n);
	return stream->arrived > before;
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void wait_for_arrival(struct stream *stream)
{
	struct pollfd arrival = { .fd = stream->arrival, .events = POLLIN };

	for (uint64_t end = now_ms() + LOST_MS; !take_arrivals(stream) && now_ms() < end;)
		poll(&arrival, 1, LOST_MS);
}

static bool send_syn(struct stream *stream)
{
	int fd = open_sender(stream);

	if (fd < 0) {
		stream->refusal = errno;
		stream->refused++;
		return false;
	}
	close(fd);
	return true;
}

/* The errors that come back for a datagram that nobody wants are for the next call. */
static bool send_one(struct stream *stream, int fd)
{
	return stream->tcp ? send_syn(stream) : send(fd, "", 1, 0) == 1;
}

static void *run(void *context)
{
	struct stream *stream = context;

	enter(stream->from);
	int fd = stream->tcp ? -1 : open_sender(stream);
	if (!stream->tcp && fd < 0)
		fail(stream->line);
	while (!ended) {
		if (!send_one(stream, fd))
			continue;
		stream->sent++;
		if (stream->allowed)
			wait_for_arrival(stream);
		else if (stream->sent % 1024 == 0)
			take_arrivals(stream);
	}
	return NULL;
}

static void on_term(int number)
{
	ended = true;
}

int main(void)
{
	const struct timespec settle = { .tv_nsec = 500000000 };
	char line[256];

	while (n_streams < STREAMS_MAX && fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = 0;
		read_stream(line);
	}
	signal(SIGTERM, on_term);
	for (size_t i = 0; i < n_streams; i++)
		if (pthread_create(&streams[i].thread, NULL, run, &streams[i]) != 0)
			fail("pthread_create");
	puts("ready");
	fflush(stdout);
	for (size_t i = 0; i < n_streams; i++)
		pthread_join(streams[i].thread, NULL);
	nanosleep(&settle, NULL);
	for (size_t i = 0; i < n_streams; i++) {
		take_arrivals(&streams[i]);
		printf("%s sent %lu arrived %lu", streams[i].line, streams[i].sent, streams[i].arrived);
		if (streams[i].refused > 0)
			printf(" refused %lu: %s", streams[i].refused, strerror(streams[i].refusal));
		putchar('\n');
	}
	return EXIT_SUCCESS;
}
