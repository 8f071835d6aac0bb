// SPDX-License-Identifier: Apache-2.0
/*
 * Wires the parts together. Start: privileges go; lock, journal, kernel; then snapshot, source, socket, endpoint. Nothing is written to the
 * kernel before it has been read, and nothing is opened by starting: until the source or the snapshot has told of all objects the rules
 * stay those of the last run. End: the rules stay.
 */
#include "cni-plugin/agent/agent.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cni-plugin/agent/confine.h"
#include "cni-plugin/agent/diff.h"
#include "cni-plugin/agent/journal.h"
#include "cni-plugin/agent/observe.h"
#include "cni-plugin/agent/verbs.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/daemon/lock.h"

#define KINDS (1u << KUBE_POD | 1u << KUBE_NAMESPACE | 1u << KUBE_NETWORK_POLICY | 1u << KUBE_NODE | 1u << KUBE_SERVICE)

static void report_change_lost(const struct kube_object *object, const struct error *why)
{
	log_error("cannot take in what has changed", "kind", kube_kind_name(object->kind), "namespace", object->namespace, "name",
		  object->name, "error", why->message);
}

static void on_changed(void *context, const struct kube_object *before, const struct kube_object *after)
{
	struct agent *agent = context;
	struct error err;

	if (!enforcer_is_live(agent->enforcer))
		return;
	snapshot_changed(agent, after ? after : before);
	tell_changed(agent, after);
	int r = enforcer_changed(agent->enforcer, before, after, &err);
	if (r == 0)
		r = adopt_changed(agent, before, after, &err);
	if (r < 0)
		report_change_lost(after ? after : before, &err);
	agent_mark_dirty(agent);
	agent_stop_if_lost(agent);
}

/* The model is built once, of the snapshot or of the source; if it was the snapshot, the source's list has changed it since. */
static int build_model(struct agent *agent, struct error *err)
{
	const struct agent_snapshot *snapshot = &agent->snapshot;
	int r = 0;

	if (!enforcer_is_live(agent->enforcer))
		r = enforcer_go_live(agent->enforcer, agent->store, agent->settings.node_name, err);
	if (r == 0 && !(snapshot->decides && snapshot->has_booted))
		r = adopt_all(agent, err);
	return r;
}

static void on_synced(void *context)
{
	struct agent *agent = context;
	struct error err;

	if (enforcer_is_lost(agent->enforcer))
		return;
	if (agent->source)
		snapshot_synced(agent);
	if (build_model(agent, &err) < 0) {
		log_error("cannot build the model", "error", err.message);
		agent_stop_if_lost(agent);
		return;
	}
	log_info("synced: policies decide from now on", "pods", LOG_NUMBER(kube_store_count(agent->store, KUBE_POD)), "namespaces",
		 LOG_NUMBER(kube_store_count(agent->store, KUBE_NAMESPACE)), "policies",
		 LOG_NUMBER(kube_store_count(agent->store, KUBE_NETWORK_POLICY)), "attachments", LOG_NUMBER(agent->attachments.n));
	tell_all(agent);
	reconcile_bridge(agent);
	agent_apply_or_log(agent);
}

static int lock_state(struct agent *agent, struct error *err)
{
	int r = daemon_lock(agent->settings.state_directory, &agent->lock_fd, err);

	if (r < 0)
		return r;
	if (asprintf(&agent->journal, "%s/attachments", agent->settings.state_directory) < 0)
		return error_nomem(err);
	return 0;
}

static void on_bad_journal_entry(const struct error *why)
{
	log_error("a journal entry cannot be read: its pod is known from its object only", "error", why->message);
}

/* An older agent's entry does not say as whom the pod may send; the pod's interface still does. */
static void complete(struct agent *agent, struct attachment *attachment)
{
	struct link_host host;
	struct error why;

	attachment->left_ms = uv_now(&agent->loop);
	if (attachment->has_mac || link_find_host(attachment->netns, attachment->ifname, &host, &why) < 0)
		return;
	if (host.index == attachment->host_index && strcmp(host.name, attachment->host_name) == 0)
		attachment_set_host(attachment, &host);
}

/* After this the kernel guards what it guarded before; what left while nobody looked is gone. */
static int restore(struct agent *agent, struct error *err)
{
	const struct ruleset_log drop_log = drops_open(agent);
	int r = journal_prepare(agent->journal, err);

	if (r == 0)
		r = journal_read(agent->journal, &agent->attachments, on_bad_journal_entry, err);
	for (struct attachment *at = agent->attachments.first; at && r == 0; at = at->next)
		complete(agent, at);
	if (r == 0)
		r = enforcer_open(&agent->attachments, &drop_log, agent->settings.table_ownership == OWNERSHIP_AUTO, &agent->enforcer, err);
	if (r < 0)
		return r;
	drops_started(agent);
	if (enforcer_found_nothing(agent->enforcer) && agent->attachments.n > 0) {
		log_warn("the kernel has no rules for the pods in the journal: they are quarantined until the objects have come", "pods",
			 LOG_NUMBER(agent->attachments.n));
		for (struct attachment *at = agent->attachments.first; at; at = at->next)
			at->quarantined = true;
	}
	reconcile_now(agent);
	reconcile_bridge(agent);
	agent_apply_or_log(agent);
	return 0;
}

static int follow(struct agent *agent, struct error *err)
{
	const struct kube_store_observer observer = { on_changed, on_synced, agent };
	const struct kube_source_options options = {
		.kubeconfig = agent->settings.kubeconfig,
		.in_cluster = agent->settings.in_cluster,
		.api_server = agent->settings.api_server,
		.directory = agent->settings.directory,
	};

	agent->store = kube_store_new(KINDS, &observer);
	if (!agent->store)
		return error_nomem(err);
	snapshot_load(agent);
	int r = kube_source_start(&agent->loop, &options, agent->store, &agent->source, err);
	return r < 0 ? r : snapshot_start(agent, err);
}

static int make_socket_directory(const char *socket, struct error *err)
{
	_cleanup_free_ char *directory = strdup(socket);

	if (!directory)
		return error_nomem(err);
	char *slash = strrchr(directory, '/');
	if (!slash || slash == directory)
		return 0;
	*slash = 0;
	return file_make_directory(directory, 0755, err);
}

static int serve(struct agent *agent, struct error *err)
{
	const struct server_handler handler = { requests_handle, requests_refused, agent };

	int r = make_socket_directory(agent->settings.socket, err);
	return r < 0 ? r : server_start(&agent->loop, agent->settings.socket, &handler, &agent->server, err);
}

static void on_signal(uv_signal_t *signal, int number)
{
	log_info("the agent ends, the kernel keeps the rules", "signal", LOG_NUMBER(number));
	uv_stop(signal->loop);
}

/* A caller that is gone when its answer is written must cost its connection only: libuv writes with write(2). */
static void watch_signals(struct agent *agent)
{
	signal(SIGPIPE, SIG_IGN);
	uv_signal_init(&agent->loop, &agent->sigterm);
	uv_signal_init(&agent->loop, &agent->sigint);
	uv_signal_start(&agent->sigterm, on_signal, SIGTERM);
	uv_signal_start(&agent->sigint, on_signal, SIGINT);
}

static int start(struct agent *agent, struct error *err)
{
	apply_prepare(agent);
	tell_start(agent);
	watch_signals(agent);
	int r = lock_state(agent, err);
	if (r == 0)
		r = snapshot_prepare(agent, err);
	if (r == 0)
		r = restore(agent, err);
	if (r == 0)
		r = guard_start(agent, err);
	if (r == 0)
		r = follow(agent, err);
	if (r == 0)
		r = serve(agent, err);
	if (r == 0)
		r = metrics_start(agent, err);
	if (r == 0)
		r = reconcile_start(agent, err);
	if (r == 0)
		r = observe_start(agent, err);
	return r;
}

static void close_rest(uv_handle_t *handle, void *context)
{
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

static void on_closed(void *context)
{
	*(bool *)context = true;
}

/* Whoever waits is answered; then each part closes its own handles, and ours go last. */
static void stop(struct agent *agent)
{
	bool source_closed = !agent->source, snapshot_closed = !agent->snapshot.writer;

	add_stop(agent);
	diff_stop(agent);
	observe_stop(agent);
	server_stop(agent->server);
	metrics_stop(agent);
	kube_source_stop(agent->source, on_closed, &source_closed);
	kube_snapshot_stop(TAKE_PTR(agent->snapshot.writer), on_closed, &snapshot_closed);
	while (!source_closed || !snapshot_closed)
		uv_run(&agent->loop, UV_RUN_ONCE);
	uv_run(&agent->loop, UV_RUN_NOWAIT);
	reconcile_stop(agent);
	uv_walk(&agent->loop, close_rest, NULL);
	uv_run(&agent->loop, UV_RUN_DEFAULT);
	uv_loop_close(&agent->loop);
}

static void release(struct agent *agent)
{
	adopt_clear(agent);
	guard_free(agent);
	drops_free(agent);
	enforcer_close(agent->enforcer);
	kube_store_free(agent->store);
	attachments_clear(&agent->attachments);
	snapshot_clear(agent);
	free(agent->journal);
	if (agent->lock_fd >= 0)
		close(agent->lock_fd);
}

int agent_run(struct settings *settings, struct error *err)
{
	struct agent agent = { .settings = *settings, .lock_fd = -1 };

	setenv("UV_THREADPOOL_SIZE", "1", 0); /* only the snapshot's writer */
	int r = confine_enter((enum sandbox_filter)settings->seccomp, err);
	if (r < 0)
		return error_wrap(err, "cannot give up privileges");
	if (settings->seccomp == SANDBOX_LOG)
		log_warn("network.seccomp is \"log\": a system call that the agent should not need is noted, not prevented");
	r = uv_loop_init(&agent.loop);
	if (r < 0)
		return error_set(err, -r, "cannot make an event loop: %s", uv_strerror(r));
	agent.started_ms = uv_now(&agent.loop);
	r = start(&agent, err);
	if (r == 0) {
		log_info("the agent is up", "version", HOLDFAST_VERSION, "node", settings->node_name, "socket", settings->socket,
			 "attachments", LOG_NUMBER(agent.attachments.n));
		uv_run(&agent.loop, UV_RUN_DEFAULT);
	}
	stop(&agent);
	release(&agent);
	return r < 0 ? r : agent.exit_code;
}
