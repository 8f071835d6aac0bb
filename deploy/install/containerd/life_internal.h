// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_INSTALL_CONTAINERD_LIFE_INTERNAL_H
#define HOLDFAST_INSTALL_CONTAINERD_LIFE_INTERNAL_H

#include "deploy/install/containerd/cri.h"
#include "deploy/install/containerd/journal.h"
#include "deploy/install/containerd/life.h"
#include "deploy/install/containerd/wish.h"

/* Between life.c, which changes, and look.c, which knows: one call's knowledge of what is, what should be, and what was. */
struct life {
	const struct containerd_target *target;
	struct containerd_outcome *out;
	bool install;
	uint64_t patience_ms;
	uint64_t settle_ms; /* what a containerd that nobody has restarted gets to answer, or one whose restart failed */
	char state[PATH_MAX], socket[PATH_MAX];
	bool answers; /* a containerd runs; `runtime` is what it last said */
	char why_silent[ERROR_MESSAGE_MAX];
	struct cri_runtime runtime;
	struct containerd_wished wished;
	struct containerd_layout layout;
	struct containerd_site site;
	struct containerd_plan plan;
	struct containerd_journal journal;
	char digest[CONTAINERD_DIGEST_SIZE]; /* of all that decides whether the change goes well */
};

void life_clear(struct life *life);

/* All but the plan. Waits for a containerd that may be starting. ECONNREFUSED, ENOENT: none runs, and nothing says its version. */
int life_look(struct life *life, struct error *err) must_check;
int life_plan(struct life *life, struct error *err) must_check;

/* A containerd runs, or has run since, that was started after the files were written. */
bool life_is_another_run(const struct life *life);
/* Until one answers; `another`: until that is such a one. ETIMEDOUT: the old one answers. */
int life_wait(struct life *life, bool another, uint64_t patience_ms, struct error *err) must_check;

/* As far as the handlers say, it has read all that is to be read. */
bool life_knows_enough(const struct life *life);
/* ECANCELED: it lacks a handler that it had. */
int life_check_kept(const struct life *life, struct error *err) must_check;
/* That, and whether it has what is wished for. */
int life_judge(const struct life *life, struct error *err) must_check;

#endif
