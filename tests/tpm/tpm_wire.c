// SPDX-License-Identifier: Apache-2.0
/* swtpm has its commands on one port and what a chip has beside them (locality, cancel) on the next one. Each connection has a thread. */
#include "tests/unit/common/cmocka_all.h"

#include "tests/tpm/tpm_wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define FIRST_PORT 4321
#define HEADER 10 /* tag, size, code */
#define MESSAGE_MAX 65536

struct tpm_wire_state {
	_Atomic unsigned upstream_port, sent, delay_ms, cut_at, hang_at;
	_Atomic uint32_t code, hang_command, counted_command;
	_Atomic unsigned counted;
	_Atomic bool hangs;
	sem_t resume;
};

static struct tpm_wire_state *state; /* of the one wire whose process this is */

/* ── In the wire's process ── */

static struct sockaddr_in loopback(unsigned port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = { htonl(INADDR_LOOPBACK) } };
}

static bool move_all(int fd, uint8_t *at, size_t n, ssize_t (*move)(int fd, uint8_t *at, size_t n))
{
	while (n > 0) {
		ssize_t moved = move(fd, at, n);
		if (moved <= 0)
			return false;
		at += moved;
		n -= (size_t)moved;
	}
	return true;
}

static ssize_t take(int fd, uint8_t *at, size_t n)
{
	return recv(fd, at, n, 0);
}

static ssize_t give(int fd, uint8_t *at, size_t n)
{
	return send(fd, at, n, MSG_NOSIGNAL);
}

static uint32_t number_at(const uint8_t *at)
{
	uint32_t number;

	memcpy(&number, at, sizeof(number));
	return ntohl(number);
}

static uint32_t size_of(const uint8_t *message)
{
	return number_at(message + 2);
}

static bool take_message(int fd, uint8_t *message)
{
	if (!move_all(fd, message, HEADER, take))
		return false;
	uint32_t size = size_of(message);
	return size >= HEADER && size <= MESSAGE_MAX && move_all(fd, message + HEADER, size - HEADER, take);
}

static void hang(void)
{
	state->hangs = true;
	while (sem_wait(&state->resume) < 0)
		;
}

static void refuse(uint8_t *message, uint32_t code)
{
	const uint8_t refusal[HEADER] = {
		0x80, 1, 0, 0, 0, HEADER, (uint8_t)(code >> 24), (uint8_t)(code >> 16), (uint8_t)(code >> 8), (uint8_t)code
	};

	memcpy(message, refusal, sizeof(refusal));
}

static bool exchange(int client, int tpm, uint8_t *message)
{
	unsigned n = ++state->sent;
	uint32_t code = state->code, command = number_at(message + 6);

	state->counted += command == state->counted_command;
	if (n == state->hang_at || command == state->hang_command)
		hang();
	usleep(state->delay_ms * 1000);
	if (code)
		refuse(message, code);
	else if (!move_all(tpm, message, size_of(message), give) || !take_message(tpm, message))
		return false;
	return n != state->cut_at && move_all(client, message, size_of(message), give);
}

static void pass_on_commands(int client, int tpm)
{
	uint8_t *message = malloc(MESSAGE_MAX);

	while (message && take_message(client, message) && exchange(client, tpm, message))
		;
	free(message);
}

static void pass_on_bytes(int client, int tpm)
{
	struct pollfd ends[2] = { { client, POLLIN, 0 }, { tpm, POLLIN, 0 } };
	uint8_t bytes[4096];

	while (poll(ends, 2, -1) > 0) {
		for (int i = 0; i < 2; i++) {
			if (!ends[i].revents)
				continue;
			ssize_t n = recv(ends[i].fd, bytes, sizeof(bytes), 0);
			if (n <= 0 || !move_all(ends[1 - i].fd, bytes, (size_t)n, give))
				return;
		}
	}
}

struct connection {
	int client;
	bool commands;
};

static void *serve(void *argument)
{
	struct connection connection = *(struct connection *)argument;
	struct sockaddr_in address = loopback(state->upstream_port + !connection.commands);
	int tpm = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	free(argument);
	if (connect(tpm, (struct sockaddr *)&address, sizeof(address)) == 0)
		(connection.commands ? pass_on_commands : pass_on_bytes)(connection.client, tpm);
	close(tpm);
	close(connection.client);
	return NULL;
}

static void accept_one(int listener, bool commands)
{
	struct connection *connection = malloc(sizeof(*connection));
	pthread_t thread;

	*connection = (struct connection){ accept(listener, NULL, NULL), commands };
	if (connection->client >= 0 && pthread_create(&thread, NULL, serve, connection) == 0)
		pthread_detach(thread);
}

static void accept_all(const int *listeners)
{
	struct pollfd ports[2] = { { listeners[0], POLLIN, 0 }, { listeners[1], POLLIN, 0 } };

	while (poll(ports, 2, -1) > 0) {
		for (int i = 0; i < 2; i++) {
			if (ports[i].revents)
				accept_one(ports[i].fd, i == 0);
		}
	}
}

/* ── In the test's ── */

static int listen_at(unsigned port)
{
	struct sockaddr_in address = loopback(port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	assert_return_code(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), errno);
	assert_return_code(bind(fd, (struct sockaddr *)&address, sizeof(address)), errno);
	assert_return_code(listen(fd, 16), errno);
	return fd;
}

void tpm_wire_make(struct tpm_wire *wire, const struct software_tpm *tpm)
{
	*wire = (struct tpm_wire){ .port = FIRST_PORT };
	const int listeners[2] = { listen_at(wire->port), listen_at(wire->port + 1) };

	wire->state = mmap(NULL, sizeof(*wire->state), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(wire->state, MAP_FAILED);
	wire->state->upstream_port = tpm->port;
	assert_return_code(sem_init(&wire->state->resume, 1, 0), errno);
	snprintf(wire->tcti, sizeof(wire->tcti), "swtpm:host=127.0.0.1,port=%u", wire->port);
	wire->pid = fork();
	if (wire->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		state = wire->state;
		accept_all(listeners);
		_exit(1);
	}
	assert_return_code(wire->pid, errno);
	close(listeners[0]);
	close(listeners[1]);
}

void tpm_wire_remove(struct tpm_wire *wire)
{
	kill(wire->pid, SIGKILL);
	waitpid(wire->pid, NULL, 0);
	munmap(wire->state, sizeof(*wire->state));
}

void tpm_wire_reconnect(struct tpm_wire *wire, const struct software_tpm *tpm)
{
	wire->state->upstream_port = tpm->port;
}

unsigned tpm_wire_sent(const struct tpm_wire *wire)
{
	return wire->state->sent;
}

void tpm_wire_count(struct tpm_wire *wire, uint32_t command)
{
	wire->state->counted = 0;
	wire->state->counted_command = command;
}

unsigned tpm_wire_counted(const struct tpm_wire *wire)
{
	return wire->state->counted;
}

void tpm_wire_slow_down(struct tpm_wire *wire, unsigned ms)
{
	wire->state->delay_ms = ms;
}

void tpm_wire_cut_at(struct tpm_wire *wire, unsigned n)
{
	wire->state->cut_at = wire->state->sent + n;
}

void tpm_wire_hang_at(struct tpm_wire *wire, unsigned n)
{
	wire->state->hang_at = wire->state->sent + n;
}

void tpm_wire_hang_at_each(struct tpm_wire *wire, uint32_t command)
{
	wire->state->hang_command = command;
}

bool tpm_wire_hangs(const struct tpm_wire *wire)
{
	return wire->state->hangs;
}

void tpm_wire_resume(struct tpm_wire *wire)
{
	wire->state->hang_at = 0;
	wire->state->hangs = false;
	sem_post(&wire->state->resume);
}

void tpm_wire_answer(struct tpm_wire *wire, uint32_t code)
{
	wire->state->code = code;
}
