// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_AGENT_ENFORCER_INTERNAL_H
#define HOLDFAST_AGENT_ENFORCER_INTERNAL_H

#include "cni-plugin/agent/enforcer.h"
#include "cni-plugin/nft/nft.h"

struct enforcer {
	struct nft *nft;
	struct senders *senders; /* as whom they may send; beside the policies in both phases */
	const struct attachments *attachments;
	struct policy_engine *engine; /* NULL while pinned */
	struct ruleset *pinned;       /* NULL when live */
	struct ruleset_log drop_log;
	bool found_nothing;
	bool other_layout; /* while pinned: the kernel has the whole table of another build, to which nothing can be added */
	bool doubtful; /* the kernel may have other rules than the model believes: read before writing */
	bool lost;
	struct enforcer_stats stats;
};

/* What `table inet holdfast` should have: the engine's rules, or the pinned ones. */
struct ruleset *enforcer_wanted(const struct enforcer *enforcer);

/* enforcer_pinned.c, for the phase before the first sync. */

/*
 * What the kernel has becomes what is wanted; without our rules there, or with a part of them only, every pod that is known is quarantined.
 */
int enforcer_pin(struct enforcer *enforcer, struct error *err) must_check;
/* Elements that somebody else changed are put right; a chain cannot be, and then every pod is quarantined. */
int enforcer_read_pinned(struct enforcer *enforcer, struct error *err) must_check;
int enforcer_quarantine(struct enforcer *enforcer, const struct attachment *attachment, struct error *err) must_check;
/* An address that another pod has too stays quarantined. */
int enforcer_unpin(struct enforcer *enforcer, const struct attachment *attachment, struct error *err) must_check;

#endif
