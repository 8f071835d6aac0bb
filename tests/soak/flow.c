// SPDX-License-Identifier: Apache-2.0
#include "tests/soak/flow.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>

#include "tests/soak/must.h"

#define PATIENCE_MS 1000
#define PROBE_MS 50

static void name(const struct pod *pod, uint16_t port, struct sockaddr_in *ret)
{
	*ret = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(port) };
	inet_pton(AF_INET, pod->address4, &ret->sin_addr);
}

/* A socket of the pod, to its peer. */
static int open_in(const struct pod *pod, const struct pod *peer, uint16_t port)
{
	const char *paths[] = { pod->path };
	struct sockaddr_in own, other;
	struct fabric *place;
	struct error err;

	name(pod, port, &own);
	name(peer, port, &other);
	must(fabric_adopt(paths, 1, &place, &err), &err);
	must(fabric_enter(place, 0, &err), &err);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&own, sizeof(own)), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&other, sizeof(other)), 0);
	fabric_free(place);
	return fd;
}

static bool arrives(int fd, int patience_ms)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	char byte;

	return poll(&poll_fd, 1, patience_ms) == 1 && recv(fd, &byte, 1, 0) == 1;
}

static void *talk(void *context)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	struct flow *flow = context;

	node_use_all_cpus();
	for (; !flow->stop; flow->sent++) {
		(void)!send(flow->from, "x", 1, 0);
		flow->arrived += arrives(flow->to, flow->hope == FLOW_PASSES ? PATIENCE_MS : 0);
		if (flow->hope == FLOW_PASSES) {
			(void)!send(flow->to, "y", 1, 0);
			flow->answered += arrives(flow->from, PATIENCE_MS);
		}
		nanosleep(&pause, NULL);
	}
	return NULL;
}

void flow_begin(const struct pod *from, const struct pod *to, uint16_t port, enum flow_hope hope, struct flow *ret)
{
	*ret = (struct flow){ .from = open_in(from, to, port), .to = open_in(to, from, port), .hope = hope };
	assert_int_equal(pthread_create(&ret->thread, NULL, talk, ret), 0);
}

void flow_end(struct flow *flow)
{
	flow->stop = true;
	pthread_join(flow->thread, NULL);
	while (flow->hope == FLOW_BLOCKED && arrives(flow->to, 0))
		flow->arrived++;
	close(flow->from);
	close(flow->to);
}

void flow_assert(const struct flow *flow, const char *during)
{
	bool good = flow->hope == FLOW_PASSES ? flow->arrived == flow->sent && flow->answered == flow->sent : flow->arrived == 0;

	if (!good || flow->sent == 0)
		fail_msg("%s: of %lu packets %lu arrived, and %lu answers came back", during, flow->sent, flow->arrived, flow->answered);
}

bool flow_passes(const struct pod *from, const struct pod *to, uint16_t port)
{
	_cleanup_close_ int receiver = open_in(to, from, port), sender = open_in(from, to, port);

	(void)!send(sender, "p", 1, 0);
	return arrives(receiver, PROBE_MS);
}
