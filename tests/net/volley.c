// SPDX-License-Identifier: Apache-2.0
#include "tests/net/volley.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "tests/net/volley_socket.h"

#define DATAGRAM_MAX 256

struct shot {
	struct volley_probe *probe;
	int client;
};

struct server {
	const struct volley_probe *probe; /* the first that goes there */
	int fd;
};

struct volley {
	struct fabric *fabric;
	uint64_t first_nonce; /* shot i has first_nonce + i */
	struct shot *shots;
	struct server *servers;
	struct pollfd *polls; /* servers, then clients */
	size_t n_shots, n_servers;
};

const char *volley_outcome_name(enum volley_outcome outcome)
{
	static const char *const names[] = {
		[VOLLEY_LOST] = "lost",
		[VOLLEY_UNANSWERED] = "unanswered",
		[VOLLEY_THROUGH] = "through",
	};

	return names[outcome];
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static bool same_server(const struct volley_probe *a, const struct volley_probe *b)
{
	return a->to == b->to && a->protocol == b->protocol && kube_address_equals(&a->destination, &b->destination) &&
	       (a->port == b->port || a->protocol == IPPROTO_SCTP);
}

static int serve(struct volley *volley, const struct volley_probe *probe, struct error *err)
{
	for (size_t i = 0; i < volley->n_servers; i++) {
		if (same_server(volley->servers[i].probe, probe))
			return 0;
	}
	struct server *server = &volley->servers[volley->n_servers];
	int r = fabric_enter(volley->fabric, probe->to, err);
	if (r == 0)
		r = volley_open_server(probe, &server->fd, err);
	if (r < 0)
		return r;
	server->probe = probe;
	volley->polls[volley->n_servers++] = (struct pollfd){ .fd = probe->protocol == IPPROTO_TCP ? -1 : server->fd, .events = POLLIN };
	return 0;
}

static int shoot(struct volley *volley, struct volley_probe *probe, struct error *err)
{
	struct shot *shot = &volley->shots[volley->n_shots];
	struct pollfd *slot = &volley->polls[volley->n_servers + volley->n_shots];

	int r = fabric_enter(volley->fabric, probe->from, err);
	if (r == 0)
		r = volley_open_client(probe, &shot->client, err);
	if (r < 0)
		return r;
	shot->probe = probe;
	probe->outcome = VOLLEY_LOST;
	*slot = (struct pollfd){ .fd = shot->client, .events = probe->protocol == IPPROTO_TCP ? POLLOUT : POLLIN };
	if (probe->protocol == IPPROTO_SCTP)
		slot->fd = -1;
	return volley_send(shot->client, probe, volley->first_nonce + volley->n_shots++, err);
}

/* Whose datagram that is, or NULL: one of an earlier volley. */
static struct shot *find_shot(struct volley *volley, const uint8_t *bytes, size_t n)
{
	uint64_t nonce;

	if (n < sizeof(nonce))
		return NULL;
	memcpy(&nonce, bytes + n - sizeof(nonce), sizeof(nonce));
	uint64_t index = nonce - volley->first_nonce;
	return index < volley->n_shots ? &volley->shots[index] : NULL;
}

static void hear(struct volley *volley, const struct server *server)
{
	uint8_t bytes[DATAGRAM_MAX];
	struct sockaddr_storage from;
	socklen_t from_n = sizeof(from);
	ssize_t n;

	while ((n = recvfrom(server->fd, bytes, sizeof(bytes), 0, (struct sockaddr *)&from, &from_n)) > 0) {
		struct shot *shot = find_shot(volley, bytes, (size_t)n);
		if (!shot || !same_server(shot->probe, server->probe))
			continue;
		shot->probe->outcome = VOLLEY_THROUGH;
		if (shot->probe->protocol == IPPROTO_UDP) {
			shot->probe->outcome = VOLLEY_UNANSWERED;
			(void)sendto(server->fd, bytes, (size_t)n, 0, (struct sockaddr *)&from, from_n);
		}
		from_n = sizeof(from);
	}
}

static bool has_answer(const struct shot *shot)
{
	uint8_t bytes[DATAGRAM_MAX];
	socklen_t n = sizeof(int);
	int error = 0;

	if (shot->probe->protocol == IPPROTO_UDP)
		return recv(shot->client, bytes, sizeof(bytes), 0) > 0;
	return getsockopt(shot->client, SOL_SOCKET, SO_ERROR, &error, &n) == 0 && error == 0;
}

static void collect(struct volley *volley, int timeout_ms)
{
	if (poll(volley->polls, volley->n_servers + volley->n_shots, timeout_ms) <= 0)
		return;
	for (size_t i = 0; i < volley->n_servers; i++) {
		if (volley->polls[i].revents)
			hear(volley, &volley->servers[i]);
	}
	for (size_t i = 0; i < volley->n_shots; i++) {
		struct pollfd *slot = &volley->polls[volley->n_servers + i];
		if (!slot->revents)
			continue;
		if (has_answer(&volley->shots[i]))
			volley->shots[i].probe->outcome = VOLLEY_THROUGH;
		slot->fd = -1;
	}
}

static bool is_awaited(const struct volley *volley)
{
	for (size_t i = 0; i < volley->n_shots; i++) {
		const struct volley_probe *probe = volley->shots[i].probe;
		if (probe->expected && probe->outcome != VOLLEY_THROUGH)
			return true;
	}
	return false;
}

static int settle(struct volley *volley, unsigned patience_ms, struct error *err)
{
	uint64_t now = now_ms(), deadline = now + patience_ms;

	collect(volley, 0);
	for (; is_awaited(volley) && now < deadline; now = now_ms())
		collect(volley, (int)(deadline - now));
	/* Twice: an echo that hear sends leaves only after the first fence. */
	for (int i = 0; i < 2; i++) {
		int r = fabric_fence(volley->fabric, err);
		if (r < 0)
			return r;
		collect(volley, 0);
	}
	return 0;
}

static void volley_close(struct volley *volley)
{
	for (size_t i = 0; volley->shots && i < volley->n_shots; i++)
		close(volley->shots[i].client);
	for (size_t i = 0; volley->servers && i < volley->n_servers; i++)
		close(volley->servers[i].fd);
	free(volley->shots);
	free(volley->servers);
	free(volley->polls);
	fabric_leave(volley->fabric);
}

int volley_fire(struct fabric *fabric, struct volley_probe *probes, size_t n, unsigned patience_ms, struct error *err)
{
	static uint64_t nonce = 0x686f6c6466617374;
	_cleanup_(volley_close) struct volley volley = {
		.fabric = fabric,
		.first_nonce = nonce,
		.shots = calloc(n + 1, sizeof(struct shot)),
		.servers = calloc(n + 1, sizeof(struct server)),
		.polls = calloc(2 * n + 1, sizeof(struct pollfd)),
	};
	int r = 0;

	nonce += n;
	if (!volley.shots || !volley.servers || !volley.polls)
		return error_nomem(err);
	for (size_t i = 0; i < n && r == 0; i++)
		r = serve(&volley, &probes[i], err);
	for (size_t i = 0; i < n && r == 0; i++)
		r = shoot(&volley, &probes[i], err);
	return r == 0 ? settle(&volley, patience_ms, err) : r;
}
