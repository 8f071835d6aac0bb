// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_INSTALL_CONTAINERD_PLAN_H
#define HOLDFAST_INSTALL_CONTAINERD_PLAN_H

#include <limits.h>

#include "deploy/install/containerd/files.h"
#include "deploy/install/containerd/layout.h"

/*
 * What the files must say so that containerd has Holdfast's handlers (pure). How containerd merges files decides where that stands:
 *
 *	containerd 2.x	merges tables key by key: a file of our own, imported. Its schema is that of the configuration, since 2.0 to 2.2
 *			take the last file's schema for all of them.
 *	containerd 1.x	lets the last file that has a plugin's table replace it whole, so a file of our own would take away runc and
 *everything else that is set there: our lines stand at the end of the file that has the table.
 *
 * containerd 1.6.20 and before, and 1.7.0, ignore a handler's runtime_path without a word: there the path is its runtime_type, and such a
 * handler can have no options.
 *
 * The same lines are used where nothing is imported and the line "imports" is not ours to change.
 */

#define CONTAINERD_DROP_IN_NAME "holdfast.toml"

#define CONTAINERD_HANDLER_VM "holdfast-kata"
#define CONTAINERD_HANDLER_UNTRUSTED "untrusted"
#define CONTAINERD_HANDLER_DEFAULT "holdfast"

enum containerd_extra { CONTAINERD_TEMPLATE_V2, CONTAINERD_TEMPLATE_V3, CONTAINERD_DROP_IN, CONTAINERD_EXTRAS };

struct containerd_site {
	const struct containerd_layout *layout;
	unsigned major, minor, patch; /* of containerd */
	struct containerd_files files;
	struct containerd_file extras[CONTAINERD_EXTRAS]; /* what `files` may not lead to; path NULL: it is not there */
};

struct containerd_wish {
	const char *shims;              /* the directory with containerd-shim-<handler>-v2 */
	const char *const *annotations; /* of pods, which the shim's rules look at; ends in NULL */
	bool default_runtime;
};

#define CONTAINERD_CHANGES_MAX (CONTAINERD_FILES_MAX + 4)

struct containerd_change {
	char *path; /* on the host */
	char *text; /* what must stand there; NULL: no such file */
};

struct containerd_plan {
	struct containerd_change changes[CONTAINERD_CHANGES_MAX]; /* in the order in which they are to be made */
	size_t n;
	unsigned schema;
};

/* The site's file of that path, as it was read; NULL: none. */
const struct containerd_file *containerd_site_file(const struct containerd_site *site, const char *path);

/* Where a file of ours is put, unless `config` imports from elsewhere: the layout's drop_in, or conf.d beside `config`. */
void containerd_drop_in(const struct containerd_layout *layout, char ret[static PATH_MAX]);

/*
 * `wish` NULL: what was there before Holdfast. Files that need no change are not in the plan. EEXIST: someone else has such a handler;
 * ENOTSUP: a person must change a line first; EINVAL. Each error says where and what to do. `ret` is to be cleared also after an error.
 */
int containerd_plan_make(const struct containerd_site *site, const struct containerd_wish *wish, struct containerd_plan *ret,
			 struct error *err) must_check;

void containerd_plan_clear(struct containerd_plan *plan);

#endif
