// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_AGENT_ENFORCER_H
#define HOLDFAST_AGENT_ENFORCER_H

#include "cni-plugin/agent/attachment.h"
#include "cni-plugin/agent/senders.h"
#include "cni-plugin/policy/engine.h"
#include "common/base/cleanup.h"
#include "common/base/error.h"
#include "common/kube/store.h"

/*
 * The way from model to kernel. It has two phases:
 *
 *	pinned ──enforcer_go_live──► live
 *
 * Pinned, from the start to the first sync: the rules that the kernel has stay exactly as they are, since objects that would justify other
 * ones are not known yet; new pods are quarantined on top of them. Live: the policy engine says what is wanted.
 */
struct enforcer;
struct nft_watch;

/*
 * Opens netlink and reads what the kernel has. Writes nothing. `attachments` must outlive it; drops are logged as `drop_log` says. `own`:
 * nobody else may change the table while this lives, if the kernel can do that.
 */
int enforcer_open(const struct attachments *attachments, const struct ruleset_log *drop_log, bool own, struct enforcer **ret,
		  struct error *err) must_check;
void enforcer_close(struct enforcer *enforcer);
DEFINE_CLEANUP(struct enforcer *, enforcer_close);

/* True if the kernel lacked our rules, or a part of their fixed part, at the start: then everything in the journal must be quarantined. */
bool enforcer_found_nothing(const struct enforcer *enforcer);

/* These change the model only; enforcer_apply sends it. -ENOMEM: see enforcer_is_lost. */
int enforcer_put(struct enforcer *enforcer, const struct attachment *attachment, struct error *err) must_check;
int enforcer_remove(struct enforcer *enforcer, const struct attachment *attachment, struct error *err) must_check;
int enforcer_changed(struct enforcer *enforcer, const struct kube_object *before, const struct kube_object *after,
		     struct error *err) must_check;

/*
 * Builds the engine from the store and the attachments; `node` is this node's name and must outlive it. The next apply sends the
 * difference to what the kernel has then.
 */
int enforcer_go_live(struct enforcer *enforcer, const struct kube_store *store, const char *node, struct error *err) must_check;
/* There is a model, and it is whole: one that is lost may point at objects that are no more. */
bool enforcer_is_live(const struct enforcer *enforcer);

/*
 * Sends what is pending, if anything is. What the kernel refuses is tried once more against what the kernel really has; if that
 * fails too, the model and the kernel differ until a later call succeeds.
 */
int enforcer_apply(struct enforcer *enforcer, struct error *err) must_check;

/* Reads the kernel and repairs it, if somebody else has changed our table. 1: it was so. */
int enforcer_audit(struct enforcer *enforcer, struct error *err) must_check;

/* Tells of other processes' changes of our tables. */
int enforcer_watch(const struct enforcer *enforcer, struct nft_watch **ret, struct error *err) must_check;

/* The kernel really has what the model wants for this attachment, and our base chains. ESTALE says what is missing. */
int enforcer_check(struct enforcer *enforcer, const struct attachment *attachment, struct error *err) must_check;

/* Everything is in the kernel, and the model says that the attachment's pod is judged by its policies. */
bool enforcer_is_ready(const struct enforcer *enforcer, const struct attachment *attachment);

/* The model is incomplete, for want of memory: the process must end, and the kernel keeps the last rules. */
bool enforcer_is_lost(const struct enforcer *enforcer);

/* Nobody else can change the table now. */
bool enforcer_owns_table(const struct enforcer *enforcer);

/* NULL unless it is live. */
const struct policy_engine *enforcer_engine(const struct enforcer *enforcer);
const struct ruleset *enforcer_ruleset(const struct enforcer *enforcer);
/* As whom the attachments may send: `table netdev holdfast`. */
const struct senders *enforcer_senders(const struct enforcer *enforcer);

/* What the kernel has counted, into the counters of enforcer_ruleset and of the senders' ruleset. */
int enforcer_read_counters(struct enforcer *enforcer, struct error *err) must_check;

/* Upper limits, in seconds, of the classes in which the transactions' times are counted. */
#define ENFORCER_TIMES 11
extern const double enforcer_times[ENFORCER_TIMES];

struct enforcer_stats {
	uint64_t transactions, failed, repaired;
	uint64_t reads;                     /* of a whole table, to compare it with the model */
	uint64_t duration_us;               /* of all applies that succeeded */
	uint64_t times[ENFORCER_TIMES + 1]; /* how many took up to enforcer_times[i]; the last: longer */
	uint64_t last_us, last_messages, last_bytes;
	int64_t last_time;                  /* seconds since 1970; 0 = none yet */
	bool in_force;                      /* the kernel has what the model wants */
	char last_error[ERROR_MESSAGE_MAX]; /* "" if in_force */
};
const struct enforcer_stats *enforcer_statistics(const struct enforcer *enforcer);

#endif
