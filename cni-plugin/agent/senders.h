// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_AGENT_SENDERS_H
#define HOLDFAST_AGENT_SENDERS_H

#include "cni-plugin/agent/attachment.h"
#include "cni-plugin/nft/nft.h"
#include "cni-plugin/policy/spoof.h"
#include "common/base/cleanup.h"
#include "common/kube/store.h"

/*
 * The attachments as senders: what `table netdev holdfast` is to be. Unlike the policies it does not wait for objects: as whom a pod
 * may send is known from its ADD. Only whether its namespace may send as anybody is the namespace's to say; until that is known the
 * kernel's rules stay, and a pod that comes meanwhile is guarded.
 */
struct senders;

/* Reads what the kernel has, writes nothing. `attachments` must outlive it. */
int senders_open(struct nft *nft, const struct attachments *attachments, const struct ruleset_log *log, struct senders **ret,
		 struct error *err) must_check;
void senders_close(struct senders *senders);
DEFINE_CLEANUP(struct senders *, senders_close);

/* From now on the namespaces decide. `store` must outlive it. */
int senders_go_live(struct senders *senders, const struct kube_store *store, struct error *err) must_check;

/* These change the ruleset only. -ENOMEM: it must not be used any more. */
int senders_put(struct senders *senders, const struct attachment *attachment, struct error *err) must_check;
int senders_remove(struct senders *senders, const struct attachment *attachment, struct error *err) must_check;
int senders_changed(struct senders *senders, const struct kube_object *before, const struct kube_object *after,
		    struct error *err) must_check;

/* Before the ruleset is compared with the kernel's: forgets interfaces that are gone, on which no chain could be. */
int senders_prune(struct senders *senders, struct error *err) must_check;
/*
 * An interface has gone, and its chain perhaps with it, and another has come that may have its name: the kernel must be read before it is
 * written. An end alone needs no reading. Until senders_prune or senders_settled.
 */
bool senders_are_doubtful(const struct senders *senders);
/* The kernel has the ruleset. */
void senders_settled(struct senders *senders);

struct ruleset *senders_ruleset(const struct senders *senders);

/* Every packet that enters by the attachment's interface is looked at; not: it is trusted, or its interface is unknown. */
enum senders_state { SENDERS_GUARDED, SENDERS_TRUSTED, SENDERS_UNKNOWN, SENDERS_STATES };
enum senders_state senders_state(const struct senders *senders, const struct attachment *attachment);

#endif
