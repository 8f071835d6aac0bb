// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_INSTALL_JOURNAL_H
#define HOLDFAST_INSTALL_JOURNAL_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "common/base/buf.h"
#include "common/base/error.h"
#include "common/base/slice.h"

/*
 * What the installer changes on the node outside of its own directories, written down before it is changed. Each writing replaces the file
 * in one step; its first line is the SHA-256 of the rest.
 */

enum journal_kind {
	JOURNAL_DIRECTORY, /* made by us */
	JOURNAL_FILE,      /* a file or link that is ours now */
	JOURNAL_LISTS,     /* a directory with CNI's lists, in which our entry may be */
	JOURNAL_RUNTIME,   /* containerd was configured; where that keeps its own journal */
};

struct journal_item {
	enum journal_kind kind;
	char *path;   /* on the node */
	char *target; /* FILE: it is a link to there; NULL: a file */
	bool kept;    /* FILE: what was there before is kept beside it (keep.h) */
};

#define JOURNAL_ITEMS_MAX 64
#define JOURNAL_BYTES_MAX (512 * 1024)

struct journal {
	char path[PATH_MAX]; /* for us */
	struct journal_item items[JOURNAL_ITEMS_MAX];
	size_t n;
};

/* A missing file is an empty journal. EBADMSG: it is broken, and `ret` is an empty one. `ret` is to be cleared in any case. */
int journal_load(const char *path, struct journal *ret, struct error *err) must_check;
void journal_clear(struct journal *journal);

/* Adds it and writes the journal; 0 also if there is such an item already. Texts are copied. */
int journal_add(struct journal *journal, struct journal_item item, struct error *err) must_check;

/* NULL: none. */
const struct journal_item *journal_find(const struct journal *journal, enum journal_kind kind, const char *path);

/* The text in the file, for tests too. journal_parse: EBADMSG. */
void journal_print(const struct journal *journal, struct buf *out);
int journal_parse(struct slice text, struct journal *ret, struct error *err) must_check;

#endif
