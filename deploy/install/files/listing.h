// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_INSTALL_FILES_LISTING_H
#define HOLDFAST_INSTALL_FILES_LISTING_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#include "common/base/buf.h"
#include "common/base/cleanup.h"
#include "common/base/error.h"
#include "common/base/slice.h"

/*
 * What a version of Holdfast consists of: the directories bin, lib and share below one directory. As text a line for each thing, in a fixed
 * order, with tabs: kind, mode, size, SHA-256 (a link: its target), path.
 */

#define LISTING_ENTRIES_MAX 4096
#define LISTING_BYTES_MAX (1024 * 1024)
#define LISTING_HASH_TEXT 65
#define LISTING_ID_MAX 64

enum listing_kind { LISTING_DIRECTORY = 'd', LISTING_FILE = 'f', LISTING_LINK = 'l' };

struct listing_entry {
	enum listing_kind kind;
	mode_t mode; /* 0 of a link */
	uint64_t size;
	char hash[LISTING_HASH_TEXT]; /* of a file */
	char *target;                  /* of a link */
	char *path;
};

struct listing {
	struct listing_entry *items; /* a directory before what is in it */
	size_t n, capacity;
};

/* What stands below `directory`. EINVAL: something else than files, links and directories, or a name that cannot stand in a line. */
int listing_scan(const char *directory, struct listing *ret, struct error *err) must_check;

void listing_print(const struct listing *manifest, struct buf *out);
int listing_parse(struct slice text, struct listing *ret, struct error *err) must_check;
void listing_clear(struct listing *manifest);

/* NULL: none of that path. */
const struct listing_entry *listing_find(const struct listing *manifest, const char *path);

/*
 * Whether all of it stands below `directory`: kind, mode and size, and with `deep` every byte. EBADMSG: the first thing that does not;
 * ENOENT: it is missing. What stands there besides does not matter.
 */
int listing_check(const struct listing *manifest, const char *directory, bool deep, struct error *err) must_check;

/* "0.1.0-3fa9c1d2e4b5", of the version and the text: the same for the same files, wherever they were made. */
int listing_id(const char *version, struct slice text, char ret[static LISTING_ID_MAX], struct error *err) must_check;

int listing_hash_file(const char *path, char ret[static LISTING_HASH_TEXT], struct error *err) must_check;

#endif
