// SPDX-License-Identifier: Apache-2.0
/*
 * Wires the parts together. Start: lock, volumes (a mount), then privileges go; what is known of versions and objects from the disk;
 * the TPM's thread; then kubelet and the source. Nothing waits for anything: a secret is offered when its object is there, healthy when the
 * TPM has released it once. End: the volumes stay, since pods run on.
 */
#include "device-plugin/daemon/daemon.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/daemon/lock.h"
#include "device-plugin/daemon/confine.h"
#include "device-plugin/daemon/handover.h"
#include "device-plugin/daemon/versions.h"

#define KINDS (1u << KUBE_POD | 1u << KUBE_TPM_SECRET | 1u << KUBE_TPM_NODE | KUBE_POD_IDENTITIES)
#define WORKER_GRACE_MS 2000

/* ── objects ── */

static bool is_ours(const struct daemon *daemon, const struct kube_object *pod)
{
	return pod && pod->pod.node && strcmp(pod->pod.node, daemon->settings.node_name) == 0;
}

static void on_changed(void *context, const struct kube_object *before, const struct kube_object *after)
{
	struct daemon *daemon = context;
	const struct kube_object *object = after ? after : before;

	if (daemon->snapshot)
		kube_snapshot_changed(daemon->snapshot, true);
	if (object->kind == KUBE_TPM_SECRET)
		registry_changed(daemon, before, after);
	else if (object->kind == KUBE_TPM_NODE)
		publish_node_changed(daemon, before);
	else if (is_ours(daemon, object))
		collect_soon(daemon);
}

static void on_synced(void *context)
{
	struct daemon *daemon = context;

	if (!daemon->source)
		return;
	daemon->snapshot_decides = false;
	if (daemon->snapshot)
		kube_snapshot_changed(daemon->snapshot, true);
	log_info("synced: all objects are known", "secrets", LOG_NUMBER(kube_store_count(daemon->store, KUBE_TPM_SECRET)), "pods",
		 LOG_NUMBER(kube_store_count(daemon->store, KUBE_POD)));
}

static int load_snapshot(struct daemon *daemon, struct error *err)
{
	_cleanup_(kube_snapshot_clear) struct kube_snapshot_content content = {};

	if (asprintf(&daemon->snapshot_path, "%s/snapshot.jsonl", daemon->settings.state_directory) < 0) {
		daemon->snapshot_path = NULL;
		return error_nomem(err);
	}
	int r = kube_snapshot_read(daemon->snapshot_path, &content, err);
	if (r == 0) {
		daemon->snapshot_origin = content.origin;
		daemon->snapshot_decides = true;
		r = kube_snapshot_fill(&content, daemon->store, true, err);
	}
	if (r < 0 && r != -ENOENT)
		log_error("the last known objects cannot be used: secrets are offered when the source has told of them", "error",
			  err->message);
	return r == -ENOMEM ? r : 0;
}

static int keep_snapshot(struct daemon *daemon, struct error *err)
{
	struct kube_source_status status;

	kube_source_status(daemon->source, &status);
	const struct kube_snapshot_options options = {
		.path = daemon->snapshot_path,
		.source = status.name,
		.store = daemon->store,
	};
	return kube_snapshot_start(&daemon->loop, &options, &daemon->snapshot, err);
}

static int follow(struct daemon *daemon, struct error *err)
{
	const struct kube_source_options options = {
		.kubeconfig = daemon->settings.kubeconfig,
		.in_cluster = daemon->settings.in_cluster,
		.api_server = daemon->settings.api_server,
		.directory = daemon->settings.directory,
		.node = daemon->settings.node_name,
	};

	int r = load_snapshot(daemon, err);
	if (r == 0)
		r = kube_source_start(&daemon->loop, &options, daemon->store, &daemon->source, err);
	return r < 0 ? r : keep_snapshot(daemon, err);
}

/* ── the parts ── */

static int open_versions(struct daemon *daemon, struct error *err)
{
	bool damaged = false;

	int r = versions_open(daemon->settings.state_directory, &daemon->versions, &damaged, err);
	if (r == 0 && damaged)
		log_error("one of the two files with the latest versions of the secrets was damaged, and the other one counts: is the disk "
			  "failing?",
			  "directory", daemon->settings.state_directory, "kept", "*.damaged");
	return r;
}

static void on_unsealed(void *context, struct sealed *sealed, int r, const struct error *err, uint64_t ms)
{
	struct daemon *daemon = context;

	metrics_note_time(&daemon->counters.tpm_time, ms);
	if (r < 0)
		log_warn("the TPM did not release a secret", "secret", sealed->envelope->name, "error", err->message);
}

static int start_tpm(struct daemon *daemon, struct error *err)
{
	int r = tpm_worker_start(&daemon->loop, daemon->settings.tcti, &daemon->worker, err);

	if (r < 0)
		return r;
	const struct keys_options options = {
		.worker = daemon->worker,
		.signatures = daemon->settings.signatures,
		.reuse_ms = daemon->settings.reuse_ms,
		.unsealed = on_unsealed,
		.context = daemon,
	};
	return keys_new(&daemon->loop, &options, &daemon->keys, err);
}

static int start_kubelet(struct daemon *daemon, struct error *err)
{
	_cleanup_free_ char *plugins = NULL;
	const struct identifier_options identities = { daemon->settings.kubelet_directory, daemon->settings.sandboxes, daemon->store };

	if (asprintf(&plugins, "%s/device-plugins", daemon->settings.kubelet_directory) < 0)
		return error_nomem(err);
	const struct plugin_options options = {
		.directory = plugins,
		.volumes = daemon->settings.volumes,
		.handler = { .start = handover_start, .allocated = handover_allocated, .context = daemon },
	};
	int r = identifier_new(&daemon->loop, &identities, &daemon->identifier, err);
	if (r == 0)
		r = plugin_new(&daemon->loop, &options, &daemon->plugin, err);
	if (r == 0 && !daemon->settings.no_general)
		r = plugin_offer(daemon->plugin, PLUGIN_GENERAL, (unsigned)daemon->settings.slots, err);
	if (r == 0)
		plugin_set_health(daemon->plugin, PLUGIN_GENERAL, false);
	return r;
}

static int make_store(struct daemon *daemon, struct error *err)
{
	const struct kube_store_observer observer = { on_changed, on_synced, daemon };

	daemon->store = kube_store_new(KINDS, &observer);
	daemon->secrets = secrets_new();
	return daemon->store && daemon->secrets ? 0 : error_nomem(err);
}

/* ── start and end ── */

static void on_signal(uv_signal_t *signal, int number)
{
	log_info("the daemon ends, pods keep what they have", "signal", LOG_NUMBER(number));
	uv_stop(signal->loop);
}

static void watch_signals(struct daemon *daemon)
{
	signal(SIGPIPE, SIG_IGN);
	uv_signal_init(&daemon->loop, &daemon->sigterm);
	uv_signal_init(&daemon->loop, &daemon->sigint);
	uv_signal_start(&daemon->sigterm, on_signal, SIGTERM);
	uv_signal_start(&daemon->sigint, on_signal, SIGINT);
}

static int start(struct daemon *daemon, struct error *err)
{
	watch_signals(daemon);
	int r = open_versions(daemon, err);
	if (r == 0)
		r = make_store(daemon, err);
	if (r == 0)
		r = start_tpm(daemon, err);
	if (r == 0)
		r = start_kubelet(daemon, err);
	if (r < 0)
		return r;
	publish_start(daemon);
	health_start(daemon);
	collect_start(daemon);
	r = follow(daemon, err);
	if (r == 0)
		r = requests_start(daemon, err);
	if (r == 0)
		r = metrics_start(daemon, err);
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
static void stop(struct daemon *daemon)
{
	bool source_closed = !daemon->source, snapshot_closed = !daemon->snapshot, plugin_closed = !daemon->plugin;

	handover_cancel_all(daemon);
	uv_run(&daemon->loop, UV_RUN_NOWAIT); /* what the command line waits for goes out */
	requests_stop(daemon);
	handover_cancel_all(daemon);
	if (daemon->collector.timer.data)
		collect_stop(daemon);
	if (daemon->health.timer.data)
		health_stop(daemon);
	tpm_worker_stop(daemon->worker, WORKER_GRACE_MS); /* what it answers now goes to parts that are still there */
	if (daemon->publishing.timer.data)
		publish_stop(daemon);
	metrics_stop(daemon);
	identifier_close(daemon->identifier);
	plugin_stop(daemon->plugin, on_closed, &plugin_closed);
	kube_source_stop(daemon->source, on_closed, &source_closed);
	kube_snapshot_stop(TAKE_PTR(daemon->snapshot), on_closed, &snapshot_closed);
	while (!source_closed || !snapshot_closed || !plugin_closed)
		uv_run(&daemon->loop, UV_RUN_ONCE);
	uv_run(&daemon->loop, UV_RUN_NOWAIT);
	keys_free(daemon->keys);
	uv_run(&daemon->loop, UV_RUN_NOWAIT);
	uv_walk(&daemon->loop, close_rest, NULL);
	uv_run(&daemon->loop, UV_RUN_DEFAULT);
	uv_loop_close(&daemon->loop);
}

static void release(struct daemon *daemon)
{
	deliveries_clear(&daemon->deliveries);
	secrets_free(daemon->secrets);
	versions_free(daemon->versions);
	kube_store_free(daemon->store);
	node_key_clear(&daemon->health.node_key);
	volumes_close(daemon->volumes);
	free(daemon->snapshot_path);
	if (daemon->lock_fd >= 0)
		close(daemon->lock_fd);
}

static int run(struct daemon *daemon, struct error *err)
{
	int r = uv_loop_init(&daemon->loop);

	if (r < 0)
		return error_set(err, -r, "cannot make an event loop: %s", uv_strerror(r));
	daemon->started_ms = uv_now(&daemon->loop);
	r = start(daemon, err);
	if (r == 0) {
		log_info("the daemon is up", "version", HOLDFAST_VERSION, "node", daemon->settings.node_name, "tpm", daemon->settings.tcti);
		uv_run(&daemon->loop, UV_RUN_DEFAULT);
	}
	stop(daemon);
	if (daemon->given_up.code) {
		*err = daemon->given_up;
		r = -err->code;
	}
	return r;
}

static int give_up_privileges(const struct settings *settings, struct error *err)
{
	int r = confine_enter(settings->tcti, (enum sandbox_filter)settings->seccomp, err);

	if (r < 0)
		return error_wrap(err, "cannot give up privileges");
	if (settings->seccomp == SANDBOX_LOG)
		log_warn("secrets.seccomp is \"log\": a system call that the daemon should not need is noted, not prevented");
	return 0;
}

int daemon_run(struct settings *settings, struct error *err)
{
	struct daemon daemon = { .settings = *settings, .lock_fd = -1 };

	setenv("UV_THREADPOOL_SIZE", "1", 0); /* only the snapshot's writer */
	int r = daemon_lock(settings->state_directory, &daemon.lock_fd, err);
	if (r == 0)
		r = volumes_open(settings->volumes, &daemon.volumes, err);
	if (r == 0)
		r = give_up_privileges(settings, err);
	if (r == 0)
		r = run(&daemon, err);
	release(&daemon);
	return r;
}
