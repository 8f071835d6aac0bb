// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_INSTALL_CONTAINERD_APPLY_H
#define HOLDFAST_INSTALL_CONTAINERD_APPLY_H

#include "deploy/install/containerd/plan.h"

/* A plan's way to and from the host's files. `root`: where they stand, "" or "/host". */

/*
 * `layout` NULL: what the node has. `config` NULL: the layout's. `version`: of containerd, "1.6.20~ds1" or "v2.4.2". `ret_layout` holds
 * the layout that ret->layout then points to. `ret` is to be cleared also after an error.
 */
int containerd_site_read(const char *root, const struct containerd_layout *layout, const char *config, const char *version,
			 struct containerd_layout *ret_layout, struct containerd_site *ret, struct error *err) must_check;
void containerd_site_clear(struct containerd_site *site);

/* Each file in one step; a link is followed. A power cut between two of them leaves a configuration that containerd starts with. */
int containerd_plan_apply(const char *root, const struct containerd_plan *plan, struct error *err) must_check;

/* Of the host's file `path`: what a power cut may have left beside it, and the conf.d that was made for it if it is not in there. */
void containerd_tidy(const char *root, const char *path);

/*
 * True if containerd runs and started before the newest of its files was written: it does not know what stands there. False also if
 * nobody listens on `socket`.
 */
bool containerd_is_behind(const char *root, const struct containerd_site *site);

/* Where the layout's socket stands for us. ENAMETOOLONG. */
int containerd_socket(const char *root, const struct containerd_site *site, char ret[static PATH_MAX], struct error *err) must_check;

/*
 * A word for the run of containerd that listens on `socket`, other after each of its starts: it makes its socket anew. "" if there is no
 * such file.
 */
void containerd_run(const char *socket, char *ret, size_t size);

#endif
