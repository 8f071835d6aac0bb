// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_AGENT_AGENT_H
#define HOLDFAST_AGENT_AGENT_H

#include <uv.h>

#include "cni-plugin/agent/attachment.h"
#include "cni-plugin/agent/drops.h"
#include "cni-plugin/agent/enforcer.h"
#include "cni-plugin/agent/server.h"
#include "cni-plugin/agent/settings.h"
#include "cni-plugin/plugin/cni.h"
#include "common/kube/snapshot.h"
#include "common/kube/source.h"
#include "common/kube/store.h"

/*
 * The daemon: one loop, one thread. What its parts share; each part below has a file of its own.
 *
 *	sources ─► store ─► adopt ─┐
 *	                           ├─► attachments ─► enforcer ─► kernel
 *	socket ─► requests ─► cni ─┘         │
 *	                                  journal
 */
struct agent {
	uv_loop_t loop;
	struct settings settings;
	char *journal; /* directory */
	int lock_fd;

	struct attachments attachments;
	struct enforcer *enforcer;
	struct kube_store *store;
	struct kube_source *source;
	struct server *server;
	struct http_endpoint *endpoint;
	struct drops *drops;       /* drops.c */
	struct waiting *waiting;   /* add.c */
	struct departed *departed; /* adopt.c */
	bool adoption_refused;     /* for want of room; it has been said */
	struct diff *diffs;        /* diff.c */
	struct observer *observer; /* observe.c */
	struct guard *guard;       /* guard.c */

	struct agent_snapshot { /* snapshot.c */
		char *path, *mark;
		struct kube_snapshot *writer;
		struct kube_snapshot_origin origin; /* of what was found at the start; time 0: nothing */
		bool marked;                        /* kernel and file say the same */
		bool has_booted;                    /* since the file was written */
		bool decides;                       /* the model is the snapshot's: the source has not told of all yet */
	} snapshot;

	/* What came in this turn of the loop is applied at its end, in one transaction. */
	bool dirty;
	uv_check_t turn_end;
	uv_idle_t no_sleep; /* while dirty, so that the turn ends */
	uv_timer_t retry;
	uint64_t retry_ms;
	uv_timer_t reconcile, tell_again;
	unsigned reconciliations;
	uint64_t refusals; /* policy_engine_refusals, as told last */
	uv_poll_t links;
	struct mnl_socket *link_socket;
	uv_signal_t sigterm, sigint;

	uint64_t started_ms;
	int exit_code;
	struct agent_counters {
		uint64_t requests[CNI_VERB_COUNT], refused[CNI_VERB_COUNT];
		char last_refusal[ERROR_MESSAGE_MAX + 128]; /* "" if none */
		int64_t last_refusal_time;
	} counters;
};

/* Runs until SIGTERM or SIGINT. Returns the exit code. */
int agent_run(struct settings *settings, struct error *err) must_check;

/* ── attach.c: every way into and out of the node's attachments ── */

/* Takes ownership. What had this id goes first, and so does what is gone and had one of its addresses. On error nothing of it is left. */
int agent_attach(struct agent *agent, struct attachment *attachment, struct error *err) must_check;

/*
 * DEL: nothing of the pod passes when this returns 0, else soon; all of it goes when its interface has gone, which may be at once. Then
 * the attachment is freed.
 */
int agent_leave(struct agent *agent, struct attachment *attachment, struct error *err) must_check;

/* Removes it, its rules and its journal entry, and frees it. The rules are gone when this returns 0, else soon. */
int agent_detach(struct agent *agent, struct attachment *attachment, struct error *err) must_check;
/* The same for one whose interface has gone; its rules go at the end of the loop's turn, with those of all others that have gone. */
int agent_forget(struct agent *agent, struct attachment *attachment, struct error *err) must_check;

/* ── apply.c ── */
void agent_mark_dirty(struct agent *agent);
/* Now; whatever the kernel refuses is tried again with back-off. Then wakes who waits for it. */
int agent_apply(struct agent *agent, struct error *err) must_check;
/* As agent_apply, for those who can only log. */
void agent_apply_or_log(struct agent *agent);
/* After -ENOMEM of the engine. */
void agent_stop_if_lost(struct agent *agent);
void apply_prepare(struct agent *agent);

/* ── requests.c ── */
void requests_handle(void *context, struct server_call *call);
void requests_refused(void *context, const struct error *why);

/* What is wrong with the agent as a whole; 0: nothing. For STATUS and /readyz. */
int agent_check_ready(const struct agent *agent, struct error *err) must_check;

/* ── adopt.c: this node's pods that no CNI ADD has told of ── */
int adopt_all(struct agent *agent, struct error *err) must_check;
int adopt_changed(struct agent *agent, const struct kube_object *before, const struct kube_object *after, struct error *err) must_check;
/* The pod of an attachment that is going away: its object may still say that it has the address. */
void adopt_departed(struct agent *agent, const struct attachment *attachment);
void adopt_clear(struct agent *agent);

/* ── snapshot.c: the objects on disk, for a start without a source ── */
int snapshot_prepare(struct agent *agent, struct error *err) must_check;
/* Into the store, before there is a source. */
void snapshot_load(struct agent *agent);
/* When there is a source. */
int snapshot_start(struct agent *agent, struct error *err) must_check;
void snapshot_changed(struct agent *agent, const struct kube_object *object);
void snapshot_synced(struct agent *agent);
void snapshot_clear(struct agent *agent);

/* ── tell.c: events at policies that cannot be enforced ── */
void tell_changed(struct agent *agent, const struct kube_object *after);
void tell_all(struct agent *agent);
/* Those that the engine refuses since its policies are too many together, whenever they change. */
void tell_refusals(struct agent *agent);
void tell_start(struct agent *agent);

/* ── reconcile.c: attachments whose pods have gone, whether DEL came or not ── */
void reconcile_now(struct agent *agent);
/* Logs what stands in the way. */
void reconcile_bridge(struct agent *agent);
bool reconcile_is_gone(const struct attachment *attachment);
int reconcile_start(struct agent *agent, struct error *err) must_check;
void reconcile_stop(struct agent *agent);

/* ── guard.c: other processes' changes of our tables ── */
int guard_start(struct agent *agent, struct error *err) must_check;
/* After the loop has closed its handles. */
void guard_free(struct agent *agent);

/* ── metrics.c ── */
int metrics_start(struct agent *agent, struct error *err) must_check;
void metrics_stop(struct agent *agent);
/* metrics_counters.c: what the kernel has let through and dropped. */
void metrics_add_counters(struct agent *agent, struct buf *out);

#endif
