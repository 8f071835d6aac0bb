// SPDX-License-Identifier: Apache-2.0
/*
 * 127.0.0.1 comes first and then, if nobody listens there, ::1. A server with a full queue answers neither yes nor no: who asked waits
 * until his call's time is over.
 */
#include "kata-shim/guest/forward.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/array.h"
#include "common/base/cleanup.h"

#define NAME_MAX_BYTES 16

struct forward {
	struct forwards *all;
	struct forward *next;
	char name[NAME_MAX_BYTES + 1];
	uint16_t port;
	sa_family_t family; /* that is tried */
	/* While it connects. */
	uv_poll_t *poll;
	int fd;
	struct ttrpc_call *call;
	/* Once it is open. */
	struct stream *in, *out;
};

struct forwards {
	uv_loop_t *loop;
	struct forward *first;
	size_t n;
};

/* ── Its life ── */

struct forwards *forwards_new(uv_loop_t *loop)
{
	struct forwards *forwards = calloc(1, sizeof(*forwards));

	if (forwards)
		forwards->loop = loop;
	return forwards;
}

static void on_closed(uv_handle_t *handle)
{
	free(handle);
}

static void stop_trying(struct forward *forward)
{
	if (forward->poll)
		uv_close((uv_handle_t *)TAKE_PTR(forward->poll), on_closed);
	if (forward->fd >= 0)
		close(TAKE_FD(forward->fd));
}

static void forward_free(struct forward *forward)
{
	struct forward **at = &forward->all->first;

	while (*at != forward)
		at = &(*at)->next;
	*at = forward->next;
	forward->all->n--;
	stop_trying(forward);
	stream_free(forward->in);
	stream_free(forward->out);
	free(forward);
}

/* It could not be made: it goes, and who asked for it hears why. */
static void fail(struct forward *forward, const struct error *err)
{
	struct ttrpc_call *call = TAKE_PTR(forward->call);

	forward_free(forward);
	ttrpc_call_fail(call, err);
}

void forwards_free(struct forwards *forwards)
{
	struct error err;

	error_set(&err, ECANCELED, "the sandbox is gone");
	while (forwards && forwards->first) {
		if (forwards->first->call)
			fail(forwards->first, &err);
		else
			forward_free(forwards->first);
	}
	free(forwards);
}

static struct forward *find(struct forwards *forwards, const char *name)
{
	struct forward *forward = forwards->first;

	while (forward && strcmp(forward->name, name) != 0)
		forward = forward->next;
	return forward;
}

int forward_find(struct forwards *forwards, const char *name, int number, struct stream **ret, struct error *err)
{
	const struct forward *forward = find(forwards, name);

	if (!forward || forward->call)
		return error_set(err, ENOENT, "there is no connection of this name");
	*ret = number == STDIN_FILENO ? forward->in : number == STDOUT_FILENO ? forward->out : NULL;
	return 0;
}

/* ── Connecting ── */

/* One descriptor for each direction: libuv watches a descriptor once. */
static int open_streams(struct forward *forward, struct error *err)
{
	int in = fcntl(forward->fd, F_DUPFD_CLOEXEC, 3);

	if (in < 0)
		return error_errno(err, errno, "cannot duplicate the connection");
	uv_close((uv_handle_t *)TAKE_PTR(forward->poll), on_closed);
	int r = stream_new(forward->all->loop, in, &forward->in, err);
	return r < 0 ? r : stream_new(forward->all->loop, TAKE_FD(forward->fd), &forward->out, err);
}

static void settle(struct forward *forward)
{
	struct error err;

	if (open_streams(forward, &err) < 0)
		fail(forward, &err);
	else
		agent_answer_empty(TAKE_PTR(forward->call), 0, NULL);
}

static int connect_to(int fd, sa_family_t family, uint16_t port)
{
	const struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = IN6ADDR_LOOPBACK_INIT };

	if (family == AF_INET)
		return connect(fd, (const struct sockaddr *)&v4, sizeof(v4));
	return connect(fd, (const struct sockaddr *)&v6, sizeof(v6));
}

static void on_connected(uv_poll_t *poll, int status, int events);

/* Whether it is connected is known later. */
static int begin(struct forward *forward)
{
	forward->fd = socket(forward->family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (forward->fd < 0)
		return -errno;
	if (connect_to(forward->fd, forward->family, forward->port) < 0 && errno != EINPROGRESS)
		return -errno;
	uv_poll_t *poll = malloc(sizeof(*poll));
	int r = poll ? uv_poll_init(forward->all->loop, poll, forward->fd) : -ENOMEM;
	if (r < 0) {
		free(poll);
		return r;
	}
	poll->data = forward;
	forward->poll = poll;
	return uv_poll_start(poll, UV_WRITABLE, on_connected);
}

/* IPv6 may be missing or off, which is not what is to be told. */
static void try_next(struct forward *forward, int failure)
{
	struct error err;

	stop_trying(forward);
	if (forward->family == AF_INET) {
		forward->family = AF_INET6;
		if (begin(forward) == 0)
			return;
	}
	error_errno(&err, -failure, "cannot connect to port %u of the pod's loopback", forward->port);
	fail(forward, &err);
}

static void on_connected(uv_poll_t *poll, int status, int events)
{
	struct forward *forward = poll->data;
	int code = 0;
	socklen_t n = sizeof(code);

	if (getsockopt(forward->fd, SOL_SOCKET, SO_ERROR, &code, &n) < 0)
		code = errno;
	if (code)
		try_next(forward, -code);
	else
		settle(forward);
}

static void on_gone(void *context, struct ttrpc_call *call)
{
	struct forward *forward = context;

	forward->call = NULL;
	forward_free(forward);
	ttrpc_call_finish(call, RPC_CANCELLED, NULL);
}

static int add(struct forwards *all, const Agent__ConnectRequest *message, struct forward **ret, struct error *err)
{
	if (!*message->name || strlen(message->name) > NAME_MAX_BYTES)
		return error_set(err, EINVAL, "a connection's name has 1 to %d bytes", NAME_MAX_BYTES);
	if (message->port < 1 || message->port > UINT16_MAX)
		return error_set(err, EINVAL, "%u is no port", message->port);
	if (find(all, message->name))
		return error_set(err, EEXIST, "there is a connection of this name already");
	if (all->n == FORWARDS_MAX)
		return error_set(err, ENOBUFS, "there are %d connections already", FORWARDS_MAX);
	struct forward *forward = calloc(1, sizeof(*forward));
	if (!forward)
		return error_nomem(err);
	*forward = (struct forward){
		.all = all, .next = all->first, .port = (uint16_t)message->port, .family = AF_INET, .fd = -1
	};
	snprintf(forward->name, sizeof(forward->name), "%s", message->name);
	all->first = forward;
	all->n++;
	*ret = forward;
	return 0;
}

/* ── The methods ── */

static void handle_connect(void *context, struct ttrpc_call *call, struct slice request)
{
	_cleanup_(message_freep) Agent__ConnectRequest *message = NULL;
	const struct agent *agent = context;
	struct forward *forward;
	struct error err;

	int r = message_read(&agent__connect_request__descriptor, request, &message, &err);
	if (r == 0)
		r = add(agent->forwards, message, &forward, &err);
	if (r < 0) {
		ttrpc_call_fail(call, &err);
		return;
	}
	forward->call = call;
	ttrpc_call_on_gone(call, on_gone, forward);
	r = begin(forward);
	if (r < 0)
		try_next(forward, r);
}

static void handle_disconnect(void *context, struct ttrpc_call *call, struct slice request)
{
	_cleanup_(message_freep) Agent__ConnectRequest *message = NULL;
	const struct agent *agent = context;
	struct error err;

	int r = message_read(&agent__connect_request__descriptor, request, &message, &err);
	struct forward *forward = r == 0 ? find(agent->forwards, message->name) : NULL;
	if (forward && forward->call) {
		error_set(&err, ECANCELED, "it was disconnected");
		fail(forward, &err);
	} else if (forward) {
		forward_free(forward);
	} else if (r == 0) {
		r = error_set(&err, ENOENT, "there is no connection of this name");
	}
	agent_answer_empty(call, r, &err);
}

static const struct ttrpc_method rows[] = { { "Connect", handle_connect }, { "Disconnect", handle_disconnect } };
const struct method_rows forward_methods = { rows, ELEMENTS_OF(rows) };
