// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TPM_DAEMON_H
#define HOLDFAST_TPM_DAEMON_H

#include <uv.h>

#include "common/kube/snapshot.h"
#include "common/kube/source.h"
#include "common/kube/store.h"
#include "device-plugin/daemon/deliveries.h"
#include "device-plugin/daemon/keys.h"
#include "device-plugin/daemon/secrets.h"
#include "device-plugin/daemon/settings.h"
#include "device-plugin/deliver/volumes.h"
#include "device-plugin/plugin/identity.h"
#include "device-plugin/plugin/plugin.h"
#include "device-plugin/tpm/worker.h"

/* Why a pod did not get what it asked for. */
enum refusal {
	REFUSED_DENIED,
	REFUSED_NOT_READY,
	REFUSED_TAMPERED,
	REFUSED_TPM,
	REFUSED_LOCKOUT,
	REFUSED_UNKNOWN,
	REFUSED_ERROR,
	REFUSALS,
};

/*
 * The daemon: one loop, and the TPM's thread. What its parts share; each part below has a file of its own.
 *
 *	source ─► store ─► registry ─► secrets ─► plugin ─► kubelet
 *	                                  │          │ a container starts
 *	TPM ◄─► worker ◄─► keys ◄─────────┴─ handover ◄─ identity
 *	                                        └─► volumes ─► pods
 */
struct daemon {
	uv_loop_t loop;
	struct settings settings;
	int lock_fd;
	struct error given_up; /* why the daemon ends by itself; code 0: it does not */

	struct kube_store *store;
	struct kube_source *source;
	struct kube_snapshot *snapshot;
	struct kube_snapshot_origin snapshot_origin; /* of what was found at the start; time 0: nothing */
	char *snapshot_path;
	bool snapshot_decides; /* the source has not told of all yet */

	struct tpm_worker *worker;
	struct keys *keys;
	struct secrets *secrets;
	struct versions *versions;
	struct plugin *plugin;
	struct identifier *identifier;
	struct volumes *volumes;
	struct deliveries deliveries;
	struct handover *handovers;
	struct http_endpoint *endpoint;
	struct control *control;
	struct rotation *rotations;

	struct health {        /* health.c */
		bool enrolled; /* with the TPM that is pinned, in this run */
		struct node_key node_key;
		int r;               /* of the last look */
		struct error why;    /* why the TPM cannot be used; code 0: it can */
		int64_t since;       /* seconds since 1970 */
		bool has_failed;     /* after it had been well */
		uv_timer_t settling; /* active: it is well again, and kubelet does not hear of it yet */
		uint64_t hold_value;
		struct tpm_description description;
		struct health_job *job; /* under way; NULL: none */
		uint64_t due_ms;        /* uv_now: of the next look */
		uint64_t absent_ms;     /* no TPM was there: how long until we look again; 0: as always */
		uv_timer_t timer;
		struct trial *trial; /* of one secret, under way */
	} health;

	struct collector { /* collect.c */
		uv_timer_t timer;
		struct identity_query *query;
		uint64_t began_ms;
	} collector;

	struct publishing { /* publish.c */
		uv_timer_t timer;
		struct error why; /* as it was said when the TPM became unusable */
		bool complained;
	} publishing;

	uv_signal_t sigterm, sigint;
	uint64_t started_ms;

	struct daemon_counters {
		uint64_t starts, handed_out, rotated, shredded;
		uint64_t refused[REFUSALS];
		char last_refusal[ERROR_MESSAGE_MAX + 128]; /* "" if none */
		int64_t last_refusal_time;
		struct daemon_time {
			uint64_t counts[16];
			double sum;
		} identity_time, tpm_time, delivery_time;
	} counters;
};

/* Runs until SIGTERM or SIGINT. Returns the exit code. */
int daemon_run(struct settings *settings, struct error *err) must_check;

/* ── registry.c: TPMSecrets come, change and go ── */
void registry_changed(struct daemon *daemon, const struct kube_object *before, const struct kube_object *after);
/* As secret_set_state, and says it in the log. */
bool registry_set_state(struct secret_entry *entry, enum secret_state state, const struct error *why);
/* Whether kubelet may give the secret out, by its state and the TPM's. */
void registry_publish(struct daemon *daemon, struct secret_entry *entry);
void registry_publish_all(struct daemon *daemon);
/* The TPM has released this version, and it is what was sealed: earlier ones are not taken any more. */
void registry_opened(struct daemon *daemon, const struct sealed *sealed);
/* The last pod that had a secret may have gone. */
void registry_tidy(struct daemon *daemon);

/* ── handover.c: from a container that starts to the files in its volume ── */
void handover_start(void *context, struct plugin_start *start);
/* Another pod is given the device: what is in its volume goes. */
void handover_allocated(void *context, const char *device);
/* Again, for a pod that runs: the secret has changed. A pod that may not have it any more loses it. */
void handover_again(struct daemon *daemon, const struct delivery *delivery);
/* As handover_again, and the TPM is asked and the volume written even if nothing has changed. */
int handover_anew(struct daemon *daemon, const struct delivery *delivery, struct error *err) must_check;
void handover_cancel_all(struct daemon *daemon);
bool handover_is_under_way(const struct daemon *daemon, const char *device);

const char *refusal_name(enum refusal refusal); /* "denied", for metrics and status */

/* ── rotate.c: what running pods have, when a secret changes ── */
void rotate_changed(struct daemon *daemon, const char *secret);
/* Empties the volume of a pod that may not have it any more. False: not all of it; the collector goes on with it. */
bool rotate_take_away(struct daemon *daemon, struct delivery *delivery);
/* Takes all secrets away from all of them. */
void rotate_withdraw_all(struct daemon *daemon, const char *why);

/* ── rotation.c: `holdfast-tpm rotate` hears of each handover that is over, whoever began it. `why` NULL: it went well ── */
void rotation_note(struct daemon *daemon, const char *device, const struct error *why);

/* ── collect.c: volumes whose pods have gone ── */
void collect_start(struct daemon *daemon);
void collect_stop(struct daemon *daemon);
void collect_soon(struct daemon *daemon);
/* Overwrites and removes the volume, whose pod has gone. */
void collect_volume(struct daemon *daemon, const char *device);

/* ── health.c: is the TPM there, is it the one, and does it release each secret ── */
void health_start(struct daemon *daemon);
void health_stop(struct daemon *daemon);
void health_look_now(struct daemon *daemon);
/* Those that the TPM has not released yet, one after the other. */
void health_try_secrets(struct daemon *daemon);
bool health_is_good(const struct daemon *daemon);
/* And has been for as long as the settings want, since it failed. A failure that comes and goes must not make kubelet's devices flap. */
bool health_is_steady(const struct daemon *daemon);
/* Why the TPM cannot be used now; NULL: it can. Valid until the next turn of the loop. */
const char *health_why(const struct daemon *daemon);

/* The hold counter has been incremented: what was sealed before is revoked. */
void health_take_hold(struct daemon *daemon, uint64_t value);

/* ── requests.c: the command line ── */
int requests_start(struct daemon *daemon, struct error *err) must_check;
void requests_stop(struct daemon *daemon);

/* ── publish.c: what the API server hears of this node and its secrets ── */
void publish_start(struct daemon *daemon);
void publish_stop(struct daemon *daemon);
/* Soon. */
void publish_changed(struct daemon *daemon);
/* The object is gone. */
/* The TPMNode of this node has been changed or removed; `before` NULL: it is new. */
void publish_node_changed(struct daemon *daemon, const struct kube_object *before);
void publish_forget(struct daemon *daemon, const char *secret);

/* ── show_status.c ── */
/* Whether the daemon can do its work; `err` says what is in the way. For status and /readyz. */
int daemon_check_ready(const struct daemon *daemon, struct error *err) must_check;

/* ── metrics.c ── */
int metrics_start(struct daemon *daemon, struct error *err) must_check;
void metrics_stop(struct daemon *daemon);
void metrics_note_time(struct daemon_time *time, uint64_t ms);

#endif
