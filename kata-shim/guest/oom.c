// SPDX-License-Identifier: Apache-2.0
/*
 * The kernel tells of changes of memory.events by inotify (cgroup v2). One descriptor serves all containers; what it says is only where to
 * look, so that it does not matter if its queue overflows: then all are looked at.
 */
#include "kata-shim/guest/oom.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/log.h"
#include "kata-shim/guest/cgroup.h"
#include "kata-shim/guest/container.h"

struct oom {
	uv_poll_t poll; /* the first: freed with it */
	int fd;
	struct containers *containers;
	struct ttrpc_call *waiters[OOM_WAITERS_MAX]; /* the longest waiting first */
	size_t n;
};

/* ── Who waits ── */

static struct container *next_event(const struct oom *oom)
{
	struct container *container = oom->containers->first;

	while (container && !container->oom)
		container = container->next;
	return container;
}

static void take_waiter(struct oom *oom, size_t i)
{
	memmove(&oom->waiters[i], &oom->waiters[i + 1], (oom->n - i - 1) * sizeof(oom->waiters[0]));
	oom->n--;
}

static void tell(struct container *container, struct ttrpc_call *call)
{
	Agent__OOMEvent event = AGENT__OOMEVENT__INIT;

	container->oom = false;
	event.container_id = container->id;
	agent_answer(call, &event.base);
}

static void on_gone(void *context, struct ttrpc_call *call)
{
	struct oom *oom = context;

	for (size_t i = 0; i < oom->n; i++) {
		if (oom->waiters[i] == call)
			take_waiter(oom, i--);
	}
	ttrpc_call_finish(call, RPC_CANCELLED, NULL);
}

void oom_handle_get(void *context, struct ttrpc_call *call, struct slice request)
{
	struct oom *oom = ((struct agent *)context)->containers->oom;
	struct container *container = next_event(oom);
	struct error err;

	if (container) {
		tell(container, call);
	} else if (oom->n == OOM_WAITERS_MAX) {
		error_set(&err, ENOBUFS, "%d calls wait for an OOM event already", OOM_WAITERS_MAX);
		ttrpc_call_fail(call, &err);
	} else {
		oom->waiters[oom->n++] = call;
		ttrpc_call_on_gone(call, on_gone, oom);
	}
}

/* ── What happens ── */

void oom_check(struct container *container)
{
	_cleanup_(buf_free) struct buf events = BUF_MAX(CGROUP_FILE_MAX);
	struct oom *oom = container->all->oom;
	struct error ignored;
	uint64_t kills;

	if (container->watch < 0 || cgroup_read(container->id, "memory.events", &events, &ignored) < 0 ||
	    !cgroup_value(buf_view(&events), "oom_kill", &kills) || kills <= container->oom_kills)
		return;
	container->oom_kills = kills;
	container->oom = true;
	if (oom->n == 0)
		return;
	struct ttrpc_call *call = oom->waiters[0];
	take_waiter(oom, 0);
	tell(container, call);
}

static void check_watched(struct oom *oom, const struct inotify_event *event)
{
	for (struct container *container = oom->containers->first; container; container = container->next) {
		if (container->watch == event->wd || (event->mask & IN_Q_OVERFLOW))
			oom_check(container);
	}
}

static void on_events(uv_poll_t *poll, int status, int flags)
{
	struct oom *oom = poll->data;
	char events[16 * sizeof(struct inotify_event)] __attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t n;

	/* Of a file that is watched itself an event has no name, and so a fixed size. */
	while ((n = read(oom->fd, events, sizeof(events))) > 0) {
		for (ssize_t at = 0; at + (ssize_t)sizeof(struct inotify_event) <= n; at += (ssize_t)sizeof(struct inotify_event))
			check_watched(oom, (const struct inotify_event *)(events + at));
	}
}

void oom_watch(struct container *container)
{
	container->watch = inotify_add_watch(container->all->oom->fd, cgroup_path(container->id, "memory.events").text, IN_MODIFY);
	if (container->watch < 0 && errno != ENOENT)
		log_warn("no OOM event of a container will be seen", "container", container->id, "error", strerror(errno));
}

void oom_unwatch(struct container *container)
{
	if (container->watch >= 0)
		inotify_rm_watch(container->all->oom->fd, container->watch); /* fails if the cgroup is gone, which has ended it */
	container->watch = -1;
}

/* ── */

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

int oom_new(uv_loop_t *loop, struct containers *containers, struct oom **ret, struct error *err)
{
	struct oom *oom = calloc(1, sizeof(*oom));
	_cleanup_close_ int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

	if (!oom || fd < 0) {
		free(oom);
		return error_errno(err, fd < 0 ? errno : ENOMEM, "cannot watch for OOM events");
	}
	int r = uv_poll_init(loop, &oom->poll, fd);
	if (r < 0) {
		free(oom);
		return error_set(err, -r, "cannot watch for OOM events: %s", uv_strerror(r));
	}
	oom->fd = TAKE_FD(fd);
	oom->containers = containers;
	oom->poll.data = oom;
	uv_poll_start(&oom->poll, UV_READABLE, on_events);
	*ret = oom;
	return 0;
}

void oom_free(struct oom *oom)
{
	if (!oom)
		return;
	while (oom->n > 0)
		ttrpc_call_finish(oom->waiters[--oom->n], RPC_CANCELLED, NULL);
	uv_close((uv_handle_t *)&oom->poll, on_closed);
	close(oom->fd);
}
