// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_INSTALL_CONTAINERD_JOURNAL_H
#define HOLDFAST_INSTALL_CONTAINERD_JOURNAL_H

#include "deploy/install/containerd/plan.h"

/*
 * What was there before containerd's configuration was changed, on disk before the first change and until containerd has shown that it runs
 * with the new one: so whoever comes after a power cut can judge what he finds, and put all back.
 *
 *	(none) ──begin──► OPEN ──all files written──► WRITTEN ──containerd runs, and lacks nothing──► (none)
 *	                                                 └──it does not──► BACK ──the files are as before, and it runs──► (none)
 */
enum containerd_phase { CONTAINERD_NO_JOURNAL, CONTAINERD_OPEN, CONTAINERD_WRITTEN, CONTAINERD_BACK };

#define CONTAINERD_RUN_MAX 64
#define CONTAINERD_DIGEST_SIZE 65

struct containerd_journal {
	enum containerd_phase phase;
	cJSON *handlers;		     /* an array of strings: what containerd had */
	cJSON *files;			     /* an array of {"path", "text"}: what stood there; no text: there was no such file */
	char run[CONTAINERD_RUN_MAX];	     /* the run of containerd that has not read what was written; "": none ran */
	char digest[CONTAINERD_DIGEST_SIZE]; /* of what was wished for (life.c) */
	char why[ERROR_MESSAGE_MAX];	     /* BACK: what went wrong */
};

/* `directory`: Holdfast's kept state, as this process sees it. The file in it is synced before this returns. */
int containerd_journal_write(const char *directory, const struct containerd_journal *journal, struct error *err) must_check;
/* None: CONTAINERD_NO_JOURNAL. `ret` is to be cleared also after an error. */
int containerd_journal_read(const char *directory, struct containerd_journal *ret, struct error *err) must_check;
int containerd_journal_remove(const char *directory, struct error *err) must_check;
void containerd_journal_clear(struct containerd_journal *journal);

/* Adds what stands in a file, NULL if there is none, unless the journal has that file already. ENOTSUP: it is no UTF-8. */
int containerd_journal_add(struct containerd_journal *journal, const char *path, const char *text, struct error *err) must_check;

/*
 * The way back. A file that somebody else has changed since then keeps that: only our lines go. `ret` is to be cleared also after an error.
 */
int containerd_journal_plan(const char *root, const struct containerd_journal *journal, struct containerd_plan *ret,
			    struct error *err) must_check;

/* Removes what power cuts have left beside the journal's files. */
void containerd_journal_tidy(const char *root, const struct containerd_journal *journal);

/*
 * What was tried and had to be put back: it is not tried again, since each try restarts containerd twice. `ret_why` "": nothing, or
 * something else than `digest`.
 */
int containerd_refusal_write(const char *directory, const char *digest, const char *why, struct error *err) must_check;
void containerd_refusal_read(const char *directory, const char *digest, char ret_why[static ERROR_MESSAGE_MAX]);
int containerd_refusal_remove(const char *directory, struct error *err) must_check;
#define CONTAINERD_REFUSAL "containerd/refused.json"

#endif
