// SPDX-License-Identifier: Apache-2.0
#include "kata-shim/guest/children.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "common/base/array.h"
#include "common/base/cleanup.h"

struct watched {
	pid_t pid;
	child_ended *ended;
	void *context;
};

struct remembered {
	pid_t pid; /* 0: nobody */
	int status;
};

struct children {
	uv_signal_t signal; /* the first: freed with it */
	struct watched *watched;
	size_t n, capacity;
	struct remembered remembered[CHILDREN_REMEMBERED_MAX];
	size_t next; /* the oldest of them */
};

static struct watched *find(struct children *children, pid_t pid)
{
	for (size_t i = 0; i < children->n; i++) {
		if (children->watched[i].pid == pid)
			return &children->watched[i];
	}
	return NULL;
}

static void take_out(struct children *children, struct watched *watched)
{
	*watched = children->watched[--children->n];
}

static struct remembered *recall(struct children *children, pid_t pid)
{
	for (size_t i = 0; i < CHILDREN_REMEMBERED_MAX; i++) {
		if (children->remembered[i].pid == pid)
			return &children->remembered[i];
	}
	return NULL;
}

static void tell(struct children *children, struct watched *watched, int status)
{
	struct watched told = *watched;

	take_out(children, watched); /* before: it may watch another */
	told.ended(told.context, told.pid, status);
}

/* A pid that comes again is another process: only its last end counts. */
static void remember(struct children *children, pid_t pid, int status)
{
	struct remembered *place = recall(children, pid);

	if (!place) {
		place = &children->remembered[children->next];
		children->next = (children->next + 1) % CHILDREN_REMEMBERED_MAX;
	}
	*place = (struct remembered){ pid, status };
}

static void tell_remembered(struct children *children)
{
	for (size_t i = 0; i < CHILDREN_REMEMBERED_MAX; i++) {
		struct remembered *place = &children->remembered[i];
		struct watched *watched = place->pid ? find(children, place->pid) : NULL;

		if (!watched)
			continue;
		place->pid = 0;
		tell(children, watched, place->status);
	}
}

static void on_signal(uv_signal_t *handle, int number)
{
	struct children *children = handle->data;
	pid_t pid;
	int status;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		struct watched *watched = find(children, pid);

		if (watched)
			tell(children, watched, status);
		else
			remember(children, pid, status);
	}
	tell_remembered(children);
}

int children_new(uv_loop_t *loop, struct children **ret, struct error *err)
{
	struct children *children = calloc(1, sizeof(*children));

	if (!children)
		return error_nomem(err);
	int r = uv_signal_init(loop, &children->signal);
	if (r == 0) {
		children->signal.data = children;
		r = uv_signal_start(&children->signal, on_signal, SIGCHLD);
		if (r == 0) {
			*ret = children;
			return 0;
		}
		uv_close((uv_handle_t *)&children->signal, NULL);
	}
	/* The handle may be the loop's yet: this is at start, and fatal. */
	return error_set(err, -r, "cannot watch for SIGCHLD: %s", uv_strerror(r));
}

static void on_closed(uv_handle_t *handle)
{
	struct children *children = handle->data;

	free(children->watched);
	free(children);
}

void children_free(struct children *children)
{
	if (children)
		uv_close((uv_handle_t *)&children->signal, on_closed);
}

int children_watch(struct children *children, pid_t pid, child_ended *ended, void *context, struct error *err)
{
	if (children->n >= CHILDREN_WATCHED_MAX)
		return error_set(err, EBUSY, "%d processes are watched already", CHILDREN_WATCHED_MAX);
	if (!array_room((void **)&children->watched, children->n, &children->capacity, sizeof(*children->watched)))
		return error_nomem(err);
	children->watched[children->n++] = (struct watched){ pid, ended, context };
	struct remembered *past = recall(children, pid);
	if (past && kill(pid, 0) == 0)
		past->pid = 0; /* that was another: this one is alive, or has not been reaped yet */
	else if (past)
		raise(SIGCHLD); /* comes back from the loop */
	return 0;
}

void children_forget(struct children *children, pid_t pid)
{
	struct watched *watched = find(children, pid);

	if (watched)
		take_out(children, watched);
}
