// SPDX-License-Identifier: Apache-2.0
#include "tests/soak/world.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#include "common/base/array.h"
#include "tests/soak/node.h"

#define PAUSE_NS 1000000
#define KNOCK_EVERY 8 /* rounds */
#define KNOCKS 64     /* connections that are being tried */

enum { FOE, FRIEND, OWN_NODE, N_VOICES };

static const struct {
	int place;
	const char *addresses[2];
} voices[N_VOICES] = {
	[FOE] = { FABRIC_OUTSIDE, { WORLD_FOE4, WORLD_FOE6 } },
	[FRIEND] = { FABRIC_OUTSIDE, { WORLD_FRIEND4, WORLD_FRIEND6 } },
	[OWN_NODE] = { FABRIC_NODE, { WORLD_NODE4, WORLD_NODE6 } },
};

struct world {
	struct world_heard *heard; /* shared with the process */
	pid_t pid;
	int datagrams[N_VOICES][2], listeners[2];
	struct kube_address slots[WORLD_SLOTS][2];
	struct kube_address foe[2];
	struct fabric *fabric;
	int knocks[KNOCKS];
	unsigned next_knock;
};

int world_address(unsigned slot, bool ipv6, struct kube_address *ret, struct error *err)
{
	char text[INET6_ADDRSTRLEN];

	snprintf(text, sizeof(text), ipv6 ? "fd00:1::%x" : "10.1.0.%u", slot + 2);
	return kube_address_parse(text, ret, err);
}

static socklen_t socket_address(const struct kube_address *address, struct sockaddr_storage *ret)
{
	if (address->family == AF_INET) {
		struct sockaddr_in *to = (struct sockaddr_in *)ret;
		*to = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(WORLD_PORT) };
		memcpy(&to->sin_addr, address->bytes, 4);
		return sizeof(*to);
	}
	struct sockaddr_in6 *to = (struct sockaddr_in6 *)ret;
	*to = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = htons(WORLD_PORT) };
	memcpy(&to->sin6_addr, address->bytes, 16);
	return sizeof(*to);
}

static int open_socket(const struct kube_address *address, int type, int *ret, struct error *err)
{
	struct sockaddr_storage name;
	socklen_t size = socket_address(address, &name);

	*ret = socket(address->family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (*ret < 0 || bind(*ret, (struct sockaddr *)&name, size) < 0 || (type == SOCK_STREAM && listen(*ret, 64) < 0))
		return error_errno(err, errno, "cannot open a socket of the world");
	return 0;
}

static int raise_voice(struct world *world, int voice, int family, struct error *err)
{
	struct kube_address address = { 0 };
	int place = voices[voice].place;

	int r = kube_address_parse(voices[voice].addresses[family], &address, err);
	if (r == 0)
		r = fabric_address_add(world->fabric, place, &address, err);
	if (r == 0)
		r = fabric_address_wait(world->fabric, place, &address, err);
	if (r == 0)
		r = fabric_enter(world->fabric, place, err);
	if (r == 0)
		r = open_socket(&address, SOCK_DGRAM, &world->datagrams[voice][family], err);
	if (r == 0 && voice == FOE)
		r = open_socket(&address, SOCK_STREAM, &world->listeners[family], err);
	if (voice == FOE)
		world->foe[family] = address;
	return r;
}

static void speak(struct world *world)
{
	static const char nothing[4];
	struct sockaddr_storage to;

	for (int slot = 0; slot < WORLD_SLOTS; slot++) {
		for (int i = 0; i < N_VOICES * 2; i++) {
			socklen_t size = socket_address(&world->slots[slot][i % 2], &to);
			(void)!sendto(world->datagrams[i / 2][i % 2], nothing, sizeof(nothing), 0, (struct sockaddr *)&to, size);
		}
	}
}

/* The oldest one that is still being tried makes room. */
static void knock(struct world *world, int slot, int family)
{
	int *fd = &world->knocks[world->next_knock++ % KNOCKS];
	struct sockaddr_storage to;
	socklen_t size = socket_address(&world->slots[slot][family], &to);

	cleanup_close(fd);
	*fd = socket(world->slots[slot][family].family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	(void)!connect(*fd, (struct sockaddr *)&to, size);
}

static void knock_everywhere(struct world *world)
{
	for (int i = 0; i < WORLD_SLOTS * 2; i++)
		knock(world, i / 2, i % 2);
}

static void hear(struct world *world)
{
	unsigned start;

	for (int family = 0; family < 2; family++) {
		while (recv(world->datagrams[FOE][family], &start, sizeof(start), 0) >= 0) {
			world->heard->foe++;
			world->heard->last_of_foe = start;
		}
		int fd = accept(world->listeners[family], NULL, NULL);
		world->heard->foe += fd >= 0;
		cleanup_close(&fd);
		while (recv(world->datagrams[FRIEND][family], &start, sizeof(start), 0) == sizeof(start))
			world->heard->friend[start % WORLD_SLOTS] = start;
	}
}

/* The foe's connections come from outside: that is where this process is. */
static void live(struct world *world)
{
	const struct timespec pause = { .tv_nsec = PAUSE_NS };
	struct error err;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (fabric_enter(world->fabric, FABRIC_OUTSIDE, &err) < 0)
		_exit(1);
	node_use_all_cpus();
	for (unsigned round = 0;; round++) {
		speak(world);
		if (round % KNOCK_EVERY == 0)
			knock_everywhere(world);
		hear(world);
		nanosleep(&pause, NULL);
	}
}

static int prepare(struct world *world, struct error *err)
{
	int r = 0;

	memset(world->knocks, -1, sizeof(world->knocks));
	for (unsigned i = 0; i < WORLD_SLOTS * 2 && r == 0; i++)
		r = world_address(i / 2, i % 2, &world->slots[i / 2][i % 2], err);
	for (int i = 0; i < N_VOICES * 2 && r == 0; i++)
		r = raise_voice(world, i / 2, i % 2, err);
	fabric_leave(world->fabric);
	return r;
}

int world_start(struct fabric *fabric, struct world **ret, struct error *err)
{
	_cleanup_free_ struct world *world = calloc(1, sizeof(*world));

	if (!world)
		return error_nomem(err);
	world->fabric = fabric;
	world->heard = mmap(NULL, sizeof(*world->heard), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (world->heard == MAP_FAILED)
		return error_nomem(err);
	int r = prepare(world, err);
	if (r < 0)
		return r;
	world->pid = fork();
	if (world->pid == 0)
		live(world);
	*ret = TAKE_PTR(world);
	return 0;
}

void world_stop(struct world *world)
{
	if (!world)
		return;
	kill(world->pid, SIGKILL);
	waitpid(world->pid, NULL, 0);
	for (int i = 0; i < N_VOICES * 2; i++)
		cleanup_close(&world->datagrams[i / 2][i % 2]);
	for (int i = 0; i < 2; i++)
		cleanup_close(&world->listeners[i]);
	munmap(world->heard, sizeof(*world->heard));
	free(world);
}

const struct world_heard *world_heard(const struct world *world)
{
	return world->heard;
}
