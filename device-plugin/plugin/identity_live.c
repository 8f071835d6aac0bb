// SPDX-License-Identifier: Apache-2.0
/*
 * One pod after the other: its directory and the store are looked at, and only if neither says that it has gone is kubelet asked, where
 * it serves the Pods API: offline the store does not hear that a pod has ended, and kubelet knows.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "device-plugin/plugin/identity_internal.h"

#define WHY_BYTES_MAX 128

struct live_list {
	struct identity_query query;
	struct checkpoint checkpoint; /* by pod */
	size_t next;                  /* of the checkpoint: the first device of the pod that is judged now */
	struct identity_live *live;
	size_t n_live;
	bool pods_api; /* worth asking */
	void (*listed)(void *context, int r, const struct identity_live *live, size_t n, const struct error *err);
	void *context;
};

static void live_free(struct identity_query *query)
{
	struct live_list *list = (struct live_list *)query;

	checkpoint_clear(&list->checkpoint);
	free(list->live);
	free(list);
}

static void finish(struct live_list *list, int r, const struct error *err)
{
	query_end(&list->query);
	list->listed(list->context, r, r < 0 ? NULL : list->live, r < 0 ? 0 : list->n_live, err);
}

/* ── What is in the checkpoint ── */

/* No device was ever given away, and there is no pod that could have one. */
static bool has_no_pods(const char *pod_directories)
{
	DIR *stream = opendir(pod_directories);
	const struct dirent *entry;
	bool none = true;

	if (!stream)
		return errno == ENOENT;
	while ((errno = 0, entry = readdir(stream)))
		none = none && entry->d_name[0] == '.';
	none = none && errno == 0;
	closedir(stream);
	return none;
}

static int compare_devices(const void *a, const void *b)
{
	const struct checkpoint_device *left = a, *right = b;
	int order = strcmp(left->pod_uid, right->pod_uid);

	return order ? order : strcmp(left->device, right->device);
}

static int read_checkpoint(struct live_list *list, struct error *err)
{
	const struct identifier *identifier = list->query.identifier;
	struct checkpoint *checkpoint = &list->checkpoint;

	int r = checkpoint_load(identifier->checkpoint, checkpoint, err);
	if (r == -ENOENT && has_no_pods(identifier->pod_directories))
		return 0;
	if (r < 0 || checkpoint->n == 0)
		return r;
	qsort(checkpoint->devices, checkpoint->n, sizeof(*checkpoint->devices), compare_devices);
	list->live = calloc(checkpoint->n, sizeof(*list->live));
	return list->live ? 0 : error_nomem(err);
}

/* ── One pod ── */

static void judge_next(struct live_list *list);

static const struct checkpoint_device *current(const struct live_list *list)
{
	return &list->checkpoint.devices[list->next];
}

/* Goes on to the next pod. `live` says who this one is and why it lives; NULL: it does not. */
static void judged(struct live_list *list, const struct identity_live *live)
{
	const struct checkpoint *checkpoint = &list->checkpoint;
	const char *uid = current(list)->pod_uid, *before = "";

	for (; list->next < checkpoint->n && strcmp(current(list)->pod_uid, uid) == 0; list->next++) {
		const struct checkpoint_device *device = current(list);
		if (live && strcmp(device->device, before) != 0) {
			struct identity_live *own = &list->live[list->n_live++];
			*own = *live;
			own->device = device->device;
			own->resource = device->resource;
			own->pod_uid = uid;
		}
		before = device->device;
	}
}

/* kubelet removes it when the containers have ended and the volumes are unmounted. In a directory that is not there, none is missing. */
static bool directory_is_gone(const struct identifier *identifier, const char *uid)
{
	_cleanup_close_ int fd = open(identifier->pod_directories, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	return fd >= 0 && fstatat(fd, uid, &st, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT;
}

static const char *keep(struct live_list *list, const char *text)
{
	const char *kept = arena_string(&list->checkpoint.arena, text);

	return kept ? kept : "";
}

/* False: it has ended. */
static bool lives_by(struct live_list *list, const struct pod_facts *pod, struct identity_live *ret)
{
	char why[WHY_BYTES_MAX];

	if (kube_phase_has_ended(pod->phase))
		return false;
	snprintf(why, sizeof(why), "%s: phase %s", pod->source, kube_phase_name(pod->phase));
	*ret = (struct identity_live){
		.namespace = keep(list, pod->namespace),
		.name = keep(list, pod->name),
		.why = keep(list, why),
	};
	return true;
}

static bool lives_by_store(struct live_list *list, struct identity_live *ret)
{
	const struct kube_object *object = pod_in_store(list->query.identifier->store, current(list)->pod_uid);

	if (object) {
		const struct pod_facts pod = pod_of_object(object, current(list)->pod_uid);
		return lives_by(list, &pod, ret);
	}
	*ret = (struct identity_live){ .namespace = "", .name = "", .why = "kubelet has not removed its directory" };
	return true;
}

static void judge_by_store(struct live_list *list)
{
	struct identity_live live;

	judged(list, lives_by_store(list, &live) ? &live : NULL);
}

static void on_pod(void *context, int r, struct slice answer, const struct error *why)
{
	struct live_list *list = context;
	_cleanup_(pod_facts_clear) struct pod_facts pod = {};
	struct identity_live live;
	struct error err;

	list->query.call = NULL;
	if (r == 0 && pod_of_answer(answer, current(list)->pod_uid, &pod, &err) == 0) {
		judged(list, lives_by(list, &pod, &live) ? &live : NULL);
	} else {
		list->pods_api = r == -ENOENT;
		judge_by_store(list);
	}
	judge_next(list);
}

/* 1: an answer is awaited. */
static int judge(struct live_list *list)
{
	const char *uid = current(list)->pod_uid;
	struct identity_live live;

	if (directory_is_gone(list->query.identifier, uid) || !lives_by_store(list, &live))
		judged(list, NULL);
	else if (list->pods_api && query_time_left_ms(&list->query) > 0 && pods_api_ask(&list->query, uid, on_pod, NULL) == 0)
		return 1;
	else
		judged(list, &live);
	return 0;
}

static void judge_next(struct live_list *list)
{
	while (list->next < list->checkpoint.n) {
		if (judge(list) == 1)
			return;
	}
	finish(list, 0, NULL);
}

static void begin(uv_timer_t *timer)
{
	struct live_list *list = timer->data;
	struct error err;

	int r = read_checkpoint(list, &err);
	if (r < 0) {
		finish(list, r, &err);
		return;
	}
	list->pods_api = pods_api_is_there(list->query.identifier);
	judge_next(list);
}

int identity_list_live(struct identifier *identifier,
		       void (*listed)(void *context, int r, const struct identity_live *live, size_t n, const struct error *err),
		       void *context, struct identity_query **ret, struct error *err)
{
	struct live_list *list = calloc(1, sizeof(*list));

	if (!list)
		return error_nomem(err);
	list->query.free = live_free;
	list->listed = listed;
	list->context = context;
	query_start(&list->query, identifier, begin);
	*ret = &list->query;
	return 0;
}
