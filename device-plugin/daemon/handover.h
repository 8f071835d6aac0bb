// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TPM_HANDOVER_H
#define HOLDFAST_TPM_HANDOVER_H

#include "common/base/secret.h"
#include "device-plugin/daemon/daemon.h"

/*
 * Between handover.c, which goes from step to step, handover_end.c, which says how it went, and handover_parts.c, which knows what a volume
 * is made of.
 */

#define HANDOVER_PARTS_MAX 16 /* secrets that one annotation may name */

struct part {
	struct sealed *sealed;
	struct secret content; /* all files, one after the other; empty until the key is there */
};

struct handover {
	struct handover *next;
	struct daemon *daemon;
	struct plugin_start *start; /* NULL: nobody waits: a rotation, or kubelet has been told to come again */
	bool again;                 /* a rotation */
	bool anew;                  /* even if the volume has it already */
	struct handover *former;    /* of the device, which this one replaces: in no list, and it does nothing any more; NULL: none */
	char *resource, *device;
	struct identity_query *query;
	struct identity *identity;
	struct part parts[HANDOVER_PARTS_MAX];
	size_t n_parts, n_open;
	struct key_wait key;
	struct kube_snapshot_wait saving;
	bool is_saving, delivered;
	uv_timer_t patience;
	uint64_t began_ms, identified_ms, unsealed_ms;
};

void handover_free(struct handover *handover);

/* ── handover_end.c ── */

/* To kubelet, if it still waits. */
void handover_answer(struct handover *handover, int r, const struct error *err);
/* A security event: who wanted what, and why not. */
void handover_note_refusal(const struct handover *handover, const struct error *err);
/* Either is the end of it: it is freed. */
void handover_refuse(struct handover *handover, const struct error *err);
void handover_succeed(struct handover *handover);

/* ── handover_parts.c ── */

/* Which secrets: those that the resource or the pod's annotation names, as they are now. ENOENT, EACCES. */
int parts_choose(struct handover *handover, struct error *err) must_check;
/* Every secret's rules, against who the pod is. EACCES with the sentence for the pod's events. */
int parts_check(const struct handover *handover, struct error *err) must_check;
/* What the former one had opened of the same secrets is not asked of the TPM again. */
void parts_take_over(struct handover *handover, struct handover *former);
/* The volume has exactly this already, for the same pod. */
bool parts_are_there(const struct handover *handover);
/* All of it, in one step. */
int parts_write(const struct handover *handover, struct error *err) must_check;
void parts_clear(struct handover *handover);

#endif
