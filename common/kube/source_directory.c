// SPDX-License-Identifier: Apache-2.0
/*
 * A directory as a source: inotify says when to look, directory.c looks. A burst of events (an editor's save, a ConfigMap's swap of
 * ..data, a copy of many files) is one scan, a moment after the first of them. A slow timer looks too, for what inotify cannot tell.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/kube/directory.h"

#define EVENTS_BYTES 4096
#define EVENTS_MASK                                                                                                                        \
	(IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)

const struct directory_tuning directory_tuning_default = { .settle_ms = 50, .rescan_ms = 10 * 1000 };

struct source_directory {
	struct kube_source base;
	char *path;
	struct directory_tuning tuning;
	struct refusals refusals;
	struct directory *directory;
	int inotify, watch;
	uv_poll_t poll;
	uv_timer_t timer;
	bool settling;
	uint64_t heard_ms;
	unsigned n_handles;
	void (*closed)(void *context);
	void *closed_context;
};

static void free_source(struct source_directory *source)
{
	if (source->inotify >= 0)
		close(source->inotify);
	directory_free(source->directory);
	free(source->path);
	free(source);
}

static void handle_closed(uv_handle_t *handle)
{
	struct source_directory *source = handle->data;

	if (--source->n_handles > 0)
		return;
	if (source->closed)
		source->closed(source->closed_context);
	free_source(source);
}

static void stop(struct kube_source *base, void (*closed)(void *context), void *context)
{
	struct source_directory *source = (struct source_directory *)base;

	source->closed = closed;
	source->closed_context = context;
	uv_close((uv_handle_t *)&source->poll, handle_closed);
	uv_close((uv_handle_t *)&source->timer, handle_closed);
}

static void status(const struct kube_source *base, struct kube_source_status *ret)
{
	const struct source_directory *source = (const struct source_directory *)base;
	const struct directory_state *state = directory_state(source->directory);

	*ret = (struct kube_source_status){
		.name = source->path,
		.connected = source->heard_ms > 0 && !state->away,
		.last_heard_ms = source->heard_ms,
		.last_error = state->problem.code ? state->problem.message : "",
		.refused = source->refusals.n,
		.publish_error = "",
	};
}

static const struct kube_source_ops ops = { .status = status, .stop = stop };

/* Follows whatever directory has the path now. Before it is read, so that nothing is missed; no watch is left to the slow timer. */
static void watch_path(struct source_directory *source)
{
	int watch = inotify_add_watch(source->inotify, source->path, EVENTS_MASK);

	if (watch == source->watch)
		return;
	if (source->watch >= 0)
		inotify_rm_watch(source->inotify, source->watch);
	source->watch = watch;
	directory_touch(source->directory, NULL);
}

static void timer_due(uv_timer_t *timer)
{
	struct source_directory *source = timer->data;
	struct error err;

	source->settling = false;
	watch_path(source);
	if (directory_scan(source->directory, &err) < 0)
		log_error("cannot read the manifests", "directory", source->path, "reason", err.message);
	else if (!directory_state(source->directory)->away)
		source->heard_ms = uv_now(timer->loop);
	uv_timer_start(timer, timer_due, source->tuning.rescan_ms, 0);
}

static void settle(struct source_directory *source)
{
	if (source->settling)
		return;
	source->settling = true;
	uv_timer_start(&source->timer, timer_due, source->tuning.settle_ms, 0);
}

static void take_events(struct source_directory *source, const char *bytes, size_t n)
{
	size_t at = 0;

	while (n - at >= sizeof(struct inotify_event)) {
		struct inotify_event event;
		memcpy(&event, bytes + at, sizeof(event));
		if (event.len > n - at - sizeof(event))
			return;
		if (event.mask & IN_Q_OVERFLOW)
			directory_touch(source->directory, NULL);
		else if (event.len > 0)
			directory_touch(source->directory, bytes + at + sizeof(event));
		at += sizeof(event) + event.len;
	}
}

static void inotify_ready(uv_poll_t *poll, int poll_status, int events)
{
	struct source_directory *source = poll->data;
	char bytes[EVENTS_BYTES];
	ssize_t n;

	while ((n = read(source->inotify, bytes, sizeof(bytes))) > 0)
		take_events(source, bytes, (size_t)n);
	settle(source);
}

static int check_directory(const char *path, struct error *err)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return error_errno(err, errno, "cannot read the directory of manifests %s", path);
	if (!S_ISDIR(st.st_mode))
		return error_set(err, ENOTDIR, "%s is no directory: give a directory with *.yaml, *.yml or *.json", path);
	return 0;
}

static int set_up(struct source_directory *source, uv_loop_t *loop, const struct kube_source_options *options, struct kube_store *store,
		  struct error *err)
{
	const char *path = options->directory;

	source->path = strdup(path);
	source->directory = directory_new(path, options->node, store, &source->refusals);
	if (!source->path || !source->directory)
		return error_nomem(err);
	source->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (source->inotify < 0)
		return error_errno(err, errno, "cannot watch %s (is fs.inotify.max_user_instances too low?)", path);
	int r = uv_poll_init(loop, &source->poll, source->inotify);
	return r < 0 ? error_set(err, -r, "cannot watch %s: %s", path, uv_strerror(r)) : 0;
}

int kube_source_directory_start(uv_loop_t *loop, const struct kube_source_options *options, const struct directory_tuning *tuning,
				struct kube_store *store, struct kube_source **ret, struct error *err)
{
	int r = check_directory(options->directory, err);

	if (r < 0)
		return r;
	struct source_directory *source = calloc(1, sizeof(*source));
	if (!source)
		return error_nomem(err);
	*source = (struct source_directory){ .base.ops = &ops, .tuning = *tuning, .inotify = -1, .watch = -1 };
	r = set_up(source, loop, options, store, err);
	if (r < 0) {
		free_source(source);
		return r;
	}
	source->n_handles = 2;
	source->poll.data = source->timer.data = source;
	uv_timer_init(loop, &source->timer);
	uv_poll_start(&source->poll, UV_READABLE, inotify_ready);
	uv_timer_start(&source->timer, timer_due, 0, 0);
	*ret = &source->base;
	return 0;
}
