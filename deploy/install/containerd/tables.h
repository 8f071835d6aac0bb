// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_INSTALL_CONTAINERD_TABLES_H
#define HOLDFAST_INSTALL_CONTAINERD_TABLES_H

#include "common/base/buf.h"
#include "deploy/install/containerd/plan.h"

/* The tables of containerd's CRI plugin: what is set without us, and what we add. Pure. */

/* What the files say together about the CRI plugin. */
struct containerd_cri {
	const char *plugin; /* its name in this schema */
	cJSON *table;       /* what is set; NULL: nothing */
	size_t file;        /* the index of the file that counts for 1.x; 0 if none has the table */
};

/* `merges`: key by key, as 2.x does. `ret->table` is the caller's. */
int containerd_cri_read(const struct containerd_files *files, unsigned schema, bool merges, struct containerd_cri *ret,
			struct error *err) must_check;

/* What a version of containerd can. */
struct containerd_can {
	bool merge;        /* files table by table */
	bool runtime_path; /* of a handler: it is heeded */
};

/* The runtime that a pod without a RuntimeClass gets, "runc" if nothing says it. The cri's. */
const char *containerd_default_runtime(const struct containerd_cri *cri);

/* Appends our tables as TOML. EEXIST, ENOTSUP. */
int containerd_tables(const struct containerd_cri *cri, const struct containerd_wish *wish, struct containerd_can can, struct buf *out,
		      struct error *err) must_check;

#endif
