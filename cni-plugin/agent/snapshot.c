// SPDX-License-Identifier: Apache-2.0
/*
 * What the agent makes of the objects on disk when it starts, which depends on who is the better witness of the last rules:
 *
 *	the node has booted since        the kernel has no rules: the snapshot decides. Its addresses of this node's pods are those of
 *	                                 sandboxes that are no more, so no pod is adopted by them
 *	the same boot, and the mark      kernel and snapshot say the same: the snapshot decides, and adopted pods stay adopted
 *	the same boot, no mark           the kernel has had changes that the snapshot lacks: the kernel's rules stay as they are until the
 *	                                 source has told of all. The objects are known, but decide nothing
 *	the same boot, but neither       somebody has taken them all away: nobody but the snapshot is left to ask, so it decides, and pods
 *	rules nor journal nor mark       are adopted. With a journal its pods are quarantined instead
 *
 * The mark is a file beside the journal. It goes at the first change and comes back when everything is on disk, so that failing to write it
 * errs to the side of the kernel; a boot removes it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cni-plugin/agent/agent.h"
#include "common/base/log.h"
#include "common/base/when.h"

static void unmark(struct agent *agent)
{
	if (!agent->snapshot.marked)
		return;
	agent->snapshot.marked = false;
	if (unlink(agent->snapshot.mark) < 0 && errno != ENOENT)
		log_error("cannot note that the kernel is ahead of the snapshot", "path", agent->snapshot.mark, "error", strerror(errno));
}

static void on_saved(void *context)
{
	struct agent *agent = context;
	int fd = open(agent->snapshot.mark, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	agent->snapshot.marked = fd >= 0;
	if (fd >= 0)
		close(fd);
}

int snapshot_prepare(struct agent *agent, struct error *err)
{
	struct agent_snapshot *snapshot = &agent->snapshot;

	if (asprintf(&snapshot->path, "%s/snapshot.jsonl", agent->settings.snapshot_directory) < 0) {
		snapshot->path = NULL;
		return error_nomem(err);
	}
	if (asprintf(&snapshot->mark, "%s/snapshot-is-current", agent->settings.state_directory) < 0) {
		snapshot->mark = NULL;
		return error_nomem(err);
	}
	snapshot->marked = access(snapshot->mark, F_OK) == 0;
	return 0;
}

static bool has_booted_since(const struct kube_snapshot_origin *origin)
{
	char boot[KUBE_BOOT_MAX];

	kube_boot_id(boot);
	return *boot && strcmp(boot, origin->boot) != 0;
}

static bool is_only_witness(const struct agent *agent)
{
	return enforcer_found_nothing(agent->enforcer) && !agent->attachments.first;
}

static void report(const struct agent *agent)
{
	const struct kube_snapshot_origin *origin = &agent->snapshot.origin;
	char taken[WHEN_UTC_MAX];

	when_format_utc(origin->time, taken);
	if (agent->snapshot.decides)
		log_info("the snapshot decides until the source has told of all objects", "taken", taken, "age_s",
			 LOG_NUMBER(when_seconds_since(origin->time)), "from", origin->source, "objects", LOG_NUMBER(origin->n_objects));
	else
		log_info("the kernel's rules are newer than the snapshot: they stay until the source has told of all objects", "taken",
			 taken, "from", origin->source);
}

/* Nothing that goes wrong here stops the agent: without a snapshot it waits for the source, as it did the first time. */
void snapshot_load(struct agent *agent)
{
	_cleanup_(kube_snapshot_clear) struct kube_snapshot_content content = {};
	struct agent_snapshot *snapshot = &agent->snapshot;
	struct error err;

	int r = kube_snapshot_read(snapshot->path, &content, &err);
	if (r == 0) {
		snapshot->origin = content.origin;
		snapshot->has_booted = has_booted_since(&content.origin);
		snapshot->decides = snapshot->has_booted || snapshot->marked || is_only_witness(agent);
		report(agent);
		r = kube_snapshot_fill(&content, agent->store, snapshot->decides, &err);
	}
	if (r < 0)
		snapshot->decides = false;
	if (!snapshot->decides)
		unmark(agent); /* the source will change the kernel before there is another snapshot */
	if (r < 0 && r != -ENOENT)
		log_error("the snapshot cannot be used: new pods are quarantined until the source has told of all objects", "error",
			  err.message);
}

int snapshot_start(struct agent *agent, struct error *err)
{
	struct kube_source_status status;

	kube_source_status(agent->source, &status);
	const struct kube_snapshot_options options = {
		.path = agent->snapshot.path,
		.source = status.name,
		.store = agent->store,
		.saved = on_saved,
		.context = agent,
	};
	return kube_snapshot_start(&agent->loop, &options, &agent->snapshot.writer, err);
}

/* A pod of another node is only a peer: it may wait until the file is written anyway. */
static bool is_urgent(const struct agent *agent, const struct kube_object *object)
{
	return object->kind != KUBE_POD || (object->pod.node && strcmp(object->pod.node, agent->settings.node_name) == 0);
}

void snapshot_changed(struct agent *agent, const struct kube_object *object)
{
	if (kube_kind_is_optional(object->kind))
		return;
	unmark(agent);
	if (agent->snapshot.writer)
		kube_snapshot_changed(agent->snapshot.writer, is_urgent(agent, object));
}

void snapshot_synced(struct agent *agent)
{
	if (agent->snapshot.decides)
		log_info("the source has told of all objects: it decides, no longer the snapshot");
	agent->snapshot.decides = false;
	if (agent->snapshot.writer)
		kube_snapshot_changed(agent->snapshot.writer, true);
}

void snapshot_clear(struct agent *agent)
{
	free(agent->snapshot.path);
	free(agent->snapshot.mark);
}
