// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_INSTALL_FILES_VERSION_H
#define HOLDFAST_INSTALL_FILES_VERSION_H

#include "deploy/install/files/listing.h"

/*
 * The versions of Holdfast on a node, below its prefix (a path as host_find gives it):
 *
 *	/opt/holdfast/bin → current/bin	 and so lib, share, etc/holdfast.yaml
 *	/opt/holdfast/current → versions/<id>
 *	/opt/holdfast/previous → versions/<id>
 *	/opt/holdfast/versions/<id>/{bin,lib,share,manifest,etc/holdfast.yaml}
 *
 * One rename of `current` switches all of it, its settings too. A shim finds what belongs to it from /proc/self/exe, which names its own
 * version: so a pod that starts in the middle is of the one or of the other, and one that runs has all that it began with.
 */

#define VERSION_PREFIX "/opt/holdfast"
#define VERSION_SETTINGS "etc/holdfast.yaml" /* below the prefix, and below a version */
#define VERSION_SETTINGS_LINK "../current/" VERSION_SETTINGS
#define VERSION_SETTINGS_MAX (256 * 1024)

/* What is to be put: the tree below `directory`. */
struct version_source {
	const char *directory;
	struct listing manifest;
	char id[LISTING_ID_MAX];
};

/* Reads share/version and all files. EINVAL: nothing of Holdfast is there. `ret` is to be cleared after success. */
int version_source_read(const char *directory, struct version_source *ret, struct error *err) must_check;
void version_source_clear(struct version_source *source);

/* The id that `link`, "current" or "previous", leads to; "" if none. */
void version_read(const char *prefix, const char *link, char ret[static LISTING_ID_MAX]);

/*
 * Puts the version beside the others, unless all of it is there; what another one has too takes no room. `settings` NULL: those that the
 * node has in the prefix's etc. No pod sees it until the switch. ENOSPC and every other error: nothing of it is left.
 */
int version_put(const char *prefix, const struct version_source *source, const struct slice *settings, struct error *err) must_check;

/* Its settings alone, in one step; nothing if they are the same. */
int version_put_settings(const char *prefix, const char *id, const struct slice *settings, struct error *err) must_check;

/* Whether all of version `id` is there; `deep`: every byte. */
int version_check(const char *prefix, const char *id, bool deep, struct error *err) must_check;

/* Makes it the current one, and the one that was it the previous one. */
int version_switch(const char *prefix, const char *id, struct error *err) must_check;

/* The previous one is the current one again. ENOENT: there is none; else what is wrong with it, and nothing was changed. */
int version_switch_back(const char *prefix, struct error *err) must_check;

/* Removes all but the current and the previous one. */
int version_drop_others(const char *prefix, struct error *err) must_check;

/* Removes all of it, apart from the links that the journal has. */
int version_drop_all(const char *prefix, struct error *err) must_check;

#endif
