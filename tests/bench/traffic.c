// SPDX-License-Identifier: Apache-2.0
/*
 * UDP flows are made of a raw socket, so that fifty thousand source ports need no sockets. The receiver is a thread on another CPU; the
 * kernel's own time of arrival is what counts. The answers to flows that have no socket are dropped silently by a rule in the client.
 */
#include "tests/bench/traffic.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

#include "common/kube/objects.h"

#define FIRST_PORT 10000
#define BATCH 32
#define TCP_PORT 7001

struct datagram {
	struct udphdr header;
	uint32_t flow;
};

struct traffic {
	struct fabric *fabric;
	unsigned n_flows, next;
	int raw, server, listener;
	struct sockaddr_in to;
	pthread_t receiver;
	bool receiving;
	_Atomic bool stop;
	_Atomic unsigned long received;
	_Atomic int64_t last_ns; /* CLOCK_REALTIME */
};

static int64_t realtime_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

double traffic_now_ms(void)
{
	return (double)realtime_ns() / 1e6;
}

/* Of this thread, with what the node does for its packets: others that use the machine do not count. */
static double cpu_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double traffic_median(double *samples, size_t n)
{
	qsort(samples, n, sizeof(*samples), by_value);
	return samples[n / 2];
}

static void use_other_cpus(void)
{
	cpu_set_t set, own;

	sched_getaffinity(0, sizeof(own), &own);
	CPU_ZERO(&set);
	for (int i = 0; i < CPU_SETSIZE; i++) {
		if (!CPU_ISSET(i, &own))
			CPU_SET(i, &set);
	}
	sched_setaffinity(0, sizeof(set), &set);
}

static struct sockaddr_in address_of(const char *text, uint16_t port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };

	inet_pton(AF_INET, text, &address.sin_addr);
	return address;
}

/* Client and server have another address each, of which no policy knows. */
static int bind_client(int fd)
{
	struct sockaddr_in own = address_of(TRAFFIC_CLIENT, 0);

	return bind(fd, (struct sockaddr *)&own, sizeof(own));
}

/* ── where ── */

static int give(struct fabric *fabric, int place, const char *text, struct error *err)
{
	struct kube_address address = { 0 };

	int r = kube_address_parse(text, &address, err);
	if (r == 0)
		r = fabric_address_add(fabric, place, &address, err);
	return r == 0 ? fabric_address_wait(fabric, place, &address, err) : r;
}

static int run_in(struct fabric *fabric, int place, const char *command, struct error *err)
{
	int r = fabric_enter(fabric, place, err);

	return r == 0 && system(command) != 0 ? error_set(err, EIO, "%s", command) : r;
}

static int open_client(struct traffic *traffic, struct error *err)
{
	int r = run_in(traffic->fabric, FABRIC_POD(0),
		       "nft 'table inet t { chain c { type filter hook input priority 0; udp sport 7000 drop; }; }';"
		       " sysctl -qw net.ipv4.ip_local_port_range='1024 65000' net.ipv4.tcp_tw_reuse=1",
		       err);

	if (r < 0)
		return r;
	traffic->raw = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_UDP);
	return traffic->raw < 0 || bind_client(traffic->raw) < 0 ? error_errno(err, errno, "cannot open a raw socket") : 0;
}

static int open_server(struct traffic *traffic, struct error *err)
{
	struct sockaddr_in udp = address_of(TRAFFIC_SERVER, TRAFFIC_PORT), tcp = address_of(TRAFFIC_SERVER, TCP_PORT);
	struct timeval patience = { .tv_usec = 100000 };
	int on = 1, bytes = 32 << 20;

	int r = fabric_enter(traffic->fabric, FABRIC_POD(1), err);
	if (r < 0)
		return r;
	traffic->server = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	traffic->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(traffic->server, (struct sockaddr *)&udp, sizeof(udp)) < 0 ||
	    setsockopt(traffic->server, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) < 0 ||
	    setsockopt(traffic->server, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0 ||
	    setsockopt(traffic->server, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on)) < 0 ||
	    setsockopt(traffic->listener, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0 ||
	    bind(traffic->listener, (struct sockaddr *)&tcp, sizeof(tcp)) < 0 || listen(traffic->listener, 1024) < 0)
		return error_errno(err, errno, "cannot open the server's sockets");
	return 0;
}

int traffic_new(struct fabric *fabric, unsigned n_flows, struct traffic **ret, struct error *err)
{
	_cleanup_(traffic_freep) struct traffic *traffic = calloc(1, sizeof(*traffic));

	if (!traffic)
		return error_nomem(err);
	*traffic = (struct traffic){ .fabric = fabric, .n_flows = n_flows, .raw = -1, .server = -1, .listener = -1 };
	traffic->to = address_of(TRAFFIC_SERVER, 0);
	int r = give(fabric, FABRIC_POD(0), TRAFFIC_CLIENT, err);
	if (r == 0)
		r = give(fabric, FABRIC_POD(1), TRAFFIC_SERVER, err);
	if (r == 0)
		r = run_in(fabric, FABRIC_NODE,
			   "sysctl -qw net.netfilter.nf_conntrack_udp_timeout=3600 net.netfilter.nf_conntrack_udp_timeout_stream=3600"
			   " net.netfilter.nf_conntrack_tcp_timeout_time_wait=1",
			   err);
	if (r == 0)
		r = open_client(traffic, err);
	if (r == 0)
		r = open_server(traffic, err);
	fabric_leave(fabric);
	if (r == 0)
		*ret = TAKE_PTR(traffic);
	return r;
}

void traffic_free(struct traffic *traffic)
{
	if (!traffic)
		return;
	cleanup_close(&traffic->raw);
	cleanup_close(&traffic->server);
	cleanup_close(&traffic->listener);
	free(traffic);
}

/* ── datagrams ── */

/* The next BATCH flows. A full queue is what limits the sender. */
static void send_batch(struct traffic *traffic)
{
	struct datagram datagrams[BATCH];
	struct iovec parts[BATCH];
	struct mmsghdr messages[BATCH] = { 0 };

	for (int i = 0; i < BATCH; i++) {
		traffic->next = (traffic->next + 1) % traffic->n_flows;
		datagrams[i] = (struct datagram){
			.header = { .source = htons((uint16_t)(FIRST_PORT + traffic->next)),
				    .dest = htons(TRAFFIC_PORT),
				    .len = htons(sizeof(datagrams[i])) },
			.flow = traffic->next,
		};
		parts[i] = (struct iovec){ &datagrams[i], sizeof(datagrams[i]) };
		messages[i].msg_hdr = (struct msghdr){
			.msg_name = &traffic->to, .msg_namelen = sizeof(traffic->to), .msg_iov = &parts[i], .msg_iovlen = 1
		};
	}
	(void)!sendmmsg(traffic->raw, messages, BATCH, 0);
}

static int64_t arrival(struct msghdr *message)
{
	for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part; part = CMSG_NXTHDR(message, part)) {
		struct timespec time;
		if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SO_TIMESTAMPNS)
			continue;
		memcpy(&time, CMSG_DATA(part), sizeof(time));
		return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
	}
	return 0;
}

static void *receive(void *context)
{
	struct traffic *traffic = context;

	use_other_cpus();
	while (!traffic->stop) {
		char bytes[64], control[64];
		struct iovec part = { bytes, sizeof(bytes) };
		struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
		if (recvmsg(traffic->server, &message, 0) < 0)
			continue;
		traffic->received++;
		traffic->last_ns = arrival(&message);
	}
	return NULL;
}

static int begin_receiving(struct traffic *traffic, struct error *err)
{
	traffic->stop = false;
	traffic->received = 0;
	traffic->last_ns = 0;
	int r = pthread_create(&traffic->receiver, NULL, receive, traffic);
	return r == 0 ? 0 : error_errno(err, r, "cannot start a thread");
}

static void end_receiving(struct traffic *traffic)
{
	traffic->stop = true;
	pthread_join(traffic->receiver, NULL);
}

/* The server's side of the flows; the answer makes conntrack take them for established. */
static void answer_all(struct traffic *traffic)
{
	struct sockaddr_in from;
	socklen_t size = sizeof(from);
	char bytes[64];
	ssize_t n;

	while ((n = recvfrom(traffic->server, bytes, sizeof(bytes), MSG_DONTWAIT, (struct sockaddr *)&from, &size)) > 0)
		(void)!sendto(traffic->server, bytes, (size_t)n, 0, (struct sockaddr *)&from, size);
}

static int count_tracked(struct traffic *traffic, unsigned *ret, struct error *err)
{
	int r = fabric_enter(traffic->fabric, FABRIC_NODE, err);
	FILE *file = r == 0 ? fopen("/proc/sys/net/netfilter/nf_conntrack_count", "re") : NULL;

	fabric_leave(traffic->fabric);
	if (!file || fscanf(file, "%u", ret) != 1)
		r = error_set(err, EIO, "cannot count tracked connections");
	if (file)
		fclose(file);
	return r;
}

int traffic_establish(struct traffic *traffic, struct error *err)
{
	unsigned tracked = 0;

	for (int round = 0; round < 10; round++) {
		for (unsigned sent = 0; sent < traffic->n_flows; sent += BATCH) {
			send_batch(traffic);
			answer_all(traffic);
		}
		int r = count_tracked(traffic, &tracked, err);
		if (r < 0 || tracked >= traffic->n_flows)
			return r;
	}
	return error_set(err, EIO, "conntrack has %u flows of %u", tracked, traffic->n_flows);
}

int traffic_packets(struct traffic *traffic, double seconds, double *ret_per_second, struct error *err)
{
	int r = begin_receiving(traffic, err);

	if (r < 0)
		return r;
	double begin = cpu_ms();
	while (cpu_ms() < begin + seconds * 1e3)
		send_batch(traffic);
	*ret_per_second = (double)traffic->received / (cpu_ms() - begin) * 1e3;
	end_receiving(traffic);
	return 0;
}

struct changing {
	int (*change)(void *context, struct error *err);
	void *context;
	struct traffic_cut *cut;
	struct error err;
	int r;
	_Atomic bool done;
	int64_t begin_ns;
};

static void *make_change(void *context)
{
	const struct timespec pause = { .tv_nsec = 100000000 };
	struct changing *changing = context;

	use_other_cpus();
	nanosleep(&pause, NULL);
	double cpu = cpu_ms();
	changing->begin_ns = realtime_ns();
	changing->r = changing->change(changing->context, &changing->err);
	changing->cut->change_ms = (double)(realtime_ns() - changing->begin_ns) / 1e6;
	changing->cut->change_cpu_ms = cpu_ms() - cpu;
	changing->done = true;
	return NULL;
}

int traffic_cut(struct traffic *traffic, int (*change)(void *context, struct error *err), void *context, double seconds,
		struct traffic_cut *ret, struct error *err)
{
	struct changing changing = { .change = change, .context = context, .cut = ret };
	pthread_t changer;

	int r = begin_receiving(traffic, err);
	if (r < 0)
		return r;
	if (pthread_create(&changer, NULL, make_change, &changing) != 0)
		return error_set(err, EAGAIN, "cannot start a thread");
	while (!changing.done)
		send_batch(traffic);
	for (double end = traffic_now_ms() + seconds * 1e3; traffic_now_ms() < end;)
		send_batch(traffic);
	pthread_join(changer, NULL);
	end_receiving(traffic);
	ret->last_wrong_ms = (double)(traffic->last_ns - changing.begin_ns) / 1e6;
	if (changing.r < 0)
		*err = changing.err;
	return changing.r;
}

/* ── TCP ── */

static void *accept_all(void *context)
{
	static char bytes[1 << 18];
	struct traffic *traffic = context;

	use_other_cpus();
	while (!traffic->stop) {
		int fd = accept(traffic->listener, NULL, NULL);
		ssize_t n = fd;
		while (n > 0 || (n < 0 && errno == EAGAIN && fd >= 0 && !traffic->stop)) {
			n = recv(fd, bytes, sizeof(bytes), 0);
			traffic->received += n > 0 ? (unsigned long)n : 0;
		}
		cleanup_close(&fd);
	}
	return NULL;
}

static int connect_once(struct error *err)
{
	const struct linger reset = { 1, 0 };
	struct sockaddr_in to = address_of(TRAFFIC_SERVER, TCP_PORT);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind_client(fd) < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)) < 0) {
		cleanup_close(&fd);
		return error_errno(err, errno, "cannot connect");
	}
	return fd;
}

static int begin_tcp(struct traffic *traffic, struct error *err)
{
	traffic->stop = false;
	traffic->received = 0;
	int r = fabric_enter(traffic->fabric, FABRIC_POD(0), err);
	if (r == 0 && pthread_create(&traffic->receiver, NULL, accept_all, traffic) != 0)
		r = error_set(err, EAGAIN, "cannot start a thread");
	return r;
}

static void end_tcp(struct traffic *traffic)
{
	fabric_leave(traffic->fabric);
	end_receiving(traffic);
}

int traffic_connections(struct traffic *traffic, double seconds, double *ret_per_second, struct error *err)
{
	double begin = cpu_ms();
	unsigned long n = 0;

	int r = begin_tcp(traffic, err);
	while (r == 0 && cpu_ms() < begin + seconds * 1e3) {
		int fd = connect_once(err);
		if (fd < 0)
			r = fd;
		else
			close(fd);
		n++;
	}
	*ret_per_second = (double)n / (cpu_ms() - begin) * 1e3;
	end_tcp(traffic);
	return r;
}

int traffic_throughput(struct traffic *traffic, double seconds, double *ret_per_second, struct error *err)
{
	static char bytes[1 << 16];

	int r = begin_tcp(traffic, err);
	int fd = r == 0 ? connect_once(err) : -1;
	double begin = cpu_ms();
	while (fd >= 0 && cpu_ms() < begin + seconds * 1e3)
		(void)!send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL);
	*ret_per_second = (double)traffic->received / (cpu_ms() - begin) * 1e3;
	cleanup_close(&fd);
	end_tcp(traffic);
	return fd < 0 ? -err->code : 0;
}
