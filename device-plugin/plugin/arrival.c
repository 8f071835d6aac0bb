// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/plugin/arrival.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "common/base/file.h"

#define EVENTS_BYTES 4096

struct arrival {
	uv_poll_t poll;
	int inotify, watch;
	char *directory;
	void (*arrived)(void *context);
	void (*closed)(void *context);
	void *context;
};

static void free_arrival(struct arrival *arrival)
{
	if (arrival->inotify >= 0)
		close(arrival->inotify);
	free(arrival->directory);
	free(arrival);
}

/* An event that is lost is no harm: kubelet's going is noticed by the connections that end, and tries follow until it is back. */
static bool has_arrived(const char *bytes, size_t n)
{
	struct inotify_event event;
	bool found = false;

	for (size_t at = 0; n - at >= sizeof(event); at += sizeof(event) + event.len) {
		memcpy(&event, bytes + at, sizeof(event));
		if (event.len > n - at - sizeof(event))
			break;
		found |= event.len > 0 && strcmp(bytes + at + sizeof(event), ARRIVAL_SOCKET) == 0;
	}
	return found;
}

static void inotify_ready(uv_poll_t *poll, int status, int events)
{
	struct arrival *arrival = poll->data;
	char bytes[EVENTS_BYTES];
	bool arrived = false;
	ssize_t n;

	while ((n = read(arrival->inotify, bytes, sizeof(bytes))) > 0)
		arrived |= has_arrived(bytes, (size_t)n);
	if (arrived)
		arrival->arrived(arrival->context);
}

int arrival_follow(struct arrival *arrival, struct error *err)
{
	int r = file_make_directory(arrival->directory, 0750, err);

	if (r < 0)
		return r;
	int watch = inotify_add_watch(arrival->inotify, arrival->directory, IN_CREATE | IN_MOVED_TO | IN_ONLYDIR);
	if (watch < 0)
		return error_errno(err, errno, "cannot watch %s", arrival->directory);
	if (watch != arrival->watch && arrival->watch >= 0)
		inotify_rm_watch(arrival->inotify, arrival->watch);
	arrival->watch = watch;
	return 0;
}

static int set_up(struct arrival *arrival, uv_loop_t *loop, const char *directory, struct error *err)
{
	arrival->directory = strdup(directory);
	if (!arrival->directory)
		return error_nomem(err);
	arrival->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (arrival->inotify < 0)
		return error_errno(err, errno, "cannot watch %s (is fs.inotify.max_user_instances too low?)", directory);
	int r = arrival_follow(arrival, err);
	if (r < 0)
		return r;
	r = uv_poll_init(loop, &arrival->poll, arrival->inotify);
	return r < 0 ? error_set(err, -r, "cannot watch %s: %s", directory, uv_strerror(r)) : 0;
}

int arrival_start(uv_loop_t *loop, const char *directory, void (*arrived)(void *context), void *context, struct arrival **ret,
		  struct error *err)
{
	struct arrival *arrival = calloc(1, sizeof(*arrival));

	if (!arrival)
		return error_nomem(err);
	*arrival = (struct arrival){ .inotify = -1, .watch = -1, .arrived = arrived, .context = context };
	int r = set_up(arrival, loop, directory, err);
	if (r < 0) {
		free_arrival(arrival);
		return r;
	}
	arrival->poll.data = arrival;
	uv_poll_start(&arrival->poll, UV_READABLE, inotify_ready);
	*ret = arrival;
	return 0;
}

static void poll_closed(uv_handle_t *handle)
{
	struct arrival *arrival = handle->data;

	arrival->closed(arrival->context);
	free_arrival(arrival);
}

void arrival_stop(struct arrival *arrival, void (*closed)(void *context))
{
	arrival->closed = closed;
	uv_close((uv_handle_t *)&arrival->poll, poll_closed);
}
