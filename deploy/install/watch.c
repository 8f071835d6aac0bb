// SPDX-License-Identifier: Apache-2.0
#include "deploy/install/watch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/array.h"
#include "common/base/log.h"
#include "common/http/endpoint.h"
#include "deploy/install/host/host.h"

#define AGAIN_MS 1000 /* after which another holdfast-node may be done */
#define STUCK_MS (20 * 60 * 1000) /* longer than containerd's patience there and back, and than a VM's that does not boot */
#define REFUSED_MS (10 * 60 * 1000) /* until a version that was refused is tried again: it may have been the node's fault */

enum job { JOB_NONE, JOB_ENTRY, JOB_KEEP, JOB_INSTALL };

struct watch {
	struct watch_options options;
	uv_loop_t *loop;
	uv_work_t work;
	uv_timer_t poll;
	uv_fs_event_t lists;
	struct http_endpoint *http;
	uint64_t interval_ms;
	char *directory; /* of the lists, on the node */
	dev_t device;
	ino_t inode; /* of what `lists` watches; 0: nothing */
	char own[LISTING_ID_MAX];
	bool placed, ending;
	unsigned open; /* handles that are not closed yet */

	enum job job, next; /* what the worker does, and what it is to do then: the greater of what was asked for */
	uint64_t begun_ms, refused_ms; /* when the version was refused; 0: it is not */
	int result;
	struct node_outcome outcome;
	struct error error;

	/* What is wrong; "": nothing. With the version that is to be there, with what is on the node, with the list. */
	char refused[ERROR_MESSAGE_MAX], whole[ERROR_MESSAGE_MAX], entry[ERROR_MESSAGE_MAX];
};

/* ── In the worker thread: nothing but job, own, placed, and what it writes is touched ── */

static int act(struct watch *watch, struct node *node)
{
	switch (watch->job) {
	case JOB_ENTRY:
		return node_keep_entry(node, &watch->outcome, &watch->error);
	case JOB_KEEP:
		return node_keep(node, watch->own, &watch->outcome, &watch->error);
	case JOB_INSTALL:
		return node_install(node, &watch->outcome, &watch->error);
	case JOB_NONE:
		break;
	}
	return 0;
}

static void work(uv_work_t *request)
{
	struct watch *watch = request->data;
	struct node node;

	watch->outcome = (struct node_outcome){ 0 };
	watch->error = (struct error){ 0 };
	watch->result = node_open_locked(&watch->options.node, "watch", true, &node, &watch->error);
	if (watch->result == 0)
		watch->result = act(watch, &node);
	node_close(&node);
}

/* ── On the loop ── */

static void begin(struct watch *watch, enum job job);

/* Said once, and once more when it is over. */
static void say_problem(char *known, const char *now, const char *well)
{
	if (strcmp(known, now) == 0)
		return;
	if (*now)
		log_warn("something is not as it should be", "problem", now);
	else
		log_info(well);
	snprintf(known, ERROR_MESSAGE_MAX, "%s", now);
}

static void say_changes(const struct watch *watch)
{
	const struct node_outcome *outcome = &watch->outcome;

	if (outcome->placed && strcmp(outcome->id, outcome->before) != 0)
		log_info("installed", "version", outcome->id, "before", outcome->before);
	if (outcome->entry == CNI_ENTRY_PUT)
		log_info("put the entry into the CNI list", "list", outcome->list);
	if (outcome->bridge_set)
		log_info("set net.bridge.bridge-nf-call-iptables and -ip6tables to 1");
	if (outcome->containerd.wrote || outcome->containerd.restarted)
		log_info("configured containerd", "outcome", outcome->containerd.message);
}

static const char *waiting_for(const struct node_outcome *outcome)
{
	if (outcome->entry == CNI_ENTRY_NO_LIST)
		return "there is no CNI configuration yet";
	return node_waits(outcome) ? outcome->containerd.message : "";
}

/* `lists` is opened anew if the directory has come, or is another one. */
static void follow_lists(struct watch *watch);
static void on_poll(uv_timer_t *poll);

/* The version before is watched over until then. */
static void note_refused(struct watch *watch)
{
	watch->refused_ms = uv_now(watch->loop);
	watch->placed = true;
	memcpy(watch->own, watch->outcome.id, sizeof(watch->own));
	say_problem(watch->refused, watch->error.message, "the version is not refused any more");
	if (watch->options.refused)
		watch->options.refused(watch->options.context, watch->refused);
}

static void judge(struct watch *watch)
{
	if (watch->outcome.refused) {
		note_refused(watch);
		return;
	}
	const char *now = watch->result < 0 ? watch->error.message : waiting_for(&watch->outcome);

	if (watch->job == JOB_ENTRY) {
		now = watch->result == 0 && watch->outcome.entry != CNI_ENTRY_NO_LIST ? "" : now;
		say_problem(watch->entry, now, "the CNI list has its entry");
		return;
	}
	watch->entry[0] = 0;
	say_problem(watch->whole, now, "all is as it should be");
	if (watch->outcome.placed && watch->job == JOB_INSTALL) {
		say_problem(watch->refused, "", "the version is not refused any more");
		watch->refused_ms = 0;
		watch->placed = true;
		memcpy(watch->own, watch->outcome.id, sizeof(watch->own));
	}
}

static bool has_changed(const struct watch *watch)
{
	return watch->outcome.containerd.restarted || (watch->outcome.placed && strcmp(watch->outcome.id, watch->outcome.before) != 0);
}

static void close_all(struct watch *watch);

static void worked(uv_work_t *request, int status)
{
	struct watch *watch = request->data;
	enum job done = watch->job, next = watch->next;

	if (watch->result == -EWOULDBLOCK && !watch->ending) {
		log_debug("another one is at work", "error", watch->error.message);
		uv_timer_start(&watch->poll, on_poll, AGAIN_MS, watch->interval_ms);
	} else {
		say_changes(watch);
		judge(watch);
	}
	watch->job = watch->next = JOB_NONE;
	if (watch->ending) {
		close_all(watch);
		return;
	}
	follow_lists(watch);
	if (has_changed(watch) && watch->options.changed)
		watch->options.changed(watch->options.context);
	/* An entry that was put may be what all waited for. */
	if (done == JOB_ENTRY && watch->outcome.entry == CNI_ENTRY_PUT && *watch->whole && next < JOB_KEEP)
		next = JOB_KEEP;
	if (next != JOB_NONE)
		begin(watch, next);
}

static void begin(struct watch *watch, enum job job)
{
	if (job == JOB_KEEP && !watch->placed)
		job = JOB_INSTALL;
	if (watch->job != JOB_NONE) {
		watch->next = job > watch->next ? job : watch->next;
		return;
	}
	watch->job = job;
	watch->begun_ms = uv_now(watch->loop);
	uv_queue_work(watch->loop, &watch->work, work, worked);
}

static void on_lists(uv_fs_event_t *lists, const char *name, int events, int status)
{
	struct watch *watch = lists->data;

	/* What we prepare there ourselves wakes nobody. */
	if (name && strstr(name, HOST_NEW))
		return;
	begin(watch, JOB_ENTRY);
}

static void follow_lists(struct watch *watch)
{
	char path[PATH_MAX];
	struct stat status;

	if (host_find(watch->options.node.root, watch->directory, path, NULL) < 0 || stat(path, &status) < 0) {
		watch->inode = 0;
		uv_fs_event_stop(&watch->lists);
		return;
	}
	if (watch->inode == status.st_ino && watch->device == status.st_dev)
		return;
	uv_fs_event_stop(&watch->lists);
	watch->inode = uv_fs_event_start(&watch->lists, on_lists, path, 0) == 0 ? status.st_ino : 0;
	watch->device = status.st_dev;
	begin(watch, JOB_ENTRY); /* what was written before we looked */
}

static void on_poll(uv_timer_t *poll)
{
	struct watch *watch = poll->data;
	bool retries = watch->refused_ms && uv_now(watch->loop) - watch->refused_ms >= REFUSED_MS;

	begin(watch, retries ? JOB_INSTALL : JOB_KEEP);
}

/* ── What others see ── */

bool watch_is_good(const struct watch *watch, struct buf *why)
{
	if (!watch->placed && !*watch->whole)
		buf_string(why, "it is being installed\n");
	const char *const wrong[] = { watch->refused, watch->whole, watch->entry };
	bool good = watch->placed;

	for (size_t i = 0; i < ELEMENTS_OF(wrong); i++) {
		if (*wrong[i])
			buf_printf(why, "%s\n", wrong[i]);
		good &= !*wrong[i];
	}
	return good;
}

static bool is_ready(void *context, struct buf *why)
{
	return watch_is_good(context, why);
}

static bool is_healthy(void *context, struct buf *why)
{
	const struct watch *watch = context;

	if (watch->job == JOB_NONE || uv_now(watch->loop) - watch->begun_ms < STUCK_MS)
		return true;
	buf_string(why, "what is being done does not end\n");
	return false;
}

uint16_t watch_port(const struct watch *watch)
{
	return watch->http ? http_endpoint_port(watch->http) : 0;
}

void watch_again(struct watch *watch)
{
	watch->placed = false;
	begin(watch, JOB_INSTALL);
}

/* ── Begin and end ── */

static void free_watch(struct watch *watch)
{
	free(watch->directory);
	free(watch);
}

static int read_settings(struct watch *watch, char **ret_address, struct error *err)
{
	struct node node;
	bool broken;

	int r = node_open(&watch->options.node, &node, &broken, err);
	if (r == 0) {
		watch->interval_ms = node.settings.watch_interval_ms;
		watch->directory = strdup(node.settings.cni_lists);
		*ret_address = strdup(node.settings.health_address);
		r = watch->directory && *ret_address ? 0 : error_nomem(err);
	}
	node_close(&node);
	return r;
}

static void start_handles(struct watch *watch)
{
	watch->work.data = watch;
	watch->poll.data = watch;
	watch->lists.data = watch;
	watch->open = 2;
	uv_timer_init(watch->loop, &watch->poll);
	uv_timer_start(&watch->poll, on_poll, watch->interval_ms, watch->interval_ms);
	uv_fs_event_init(watch->loop, &watch->lists);
	begin(watch, JOB_INSTALL);
	follow_lists(watch);
}

int watch_start(uv_loop_t *loop, const struct watch_options *options, struct watch **ret, struct error *err)
{
	_cleanup_free_ char *address = NULL;
	struct watch *watch = calloc(1, sizeof(*watch));

	if (!watch)
		return error_nomem(err);
	watch->options = *options;
	watch->loop = loop;
	const struct http_handlers handlers = { .healthy = is_healthy, .ready = is_ready, .context = watch };
	int r = read_settings(watch, &address, err);
	r = r < 0 ? r : http_endpoint_start(loop, address, &handlers, &watch->http, err);
	if (r < 0) {
		free_watch(watch);
		return r;
	}
	start_handles(watch);
	*ret = watch;
	return 0;
}

static void closed(struct watch *watch)
{
	if (--watch->open == 0)
		free_watch(watch);
}

static void closed_handle(uv_handle_t *handle)
{
	closed(handle->data);
}

static void closed_http(void *context)
{
	closed(context);
}

static void close_all(struct watch *watch)
{
	uv_close((uv_handle_t *)&watch->poll, closed_handle);
	uv_close((uv_handle_t *)&watch->lists, closed_handle);
	if (watch->http) {
		watch->open++;
		http_endpoint_stop(watch->http, closed_http, watch);
	}
}

void watch_stop(struct watch *watch)
{
	if (!watch || watch->ending)
		return;
	watch->ending = true;
	uv_timer_stop(&watch->poll);
	uv_fs_event_stop(&watch->lists);
	if (watch->job == JOB_NONE)
		close_all(watch);
}
