// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_INSTALL_CONTAINERD_FILES_H
#define HOLDFAST_INSTALL_CONTAINERD_FILES_H

#include <cjson/cJSON.h>
#include <limits.h>
#include <stdbool.h>

#include "common/base/cleanup.h"
#include "common/base/error.h"

/* containerd's configuration as it finds it: the file itself and what it imports, in the order in which containerd lets them win. */

#define CONTAINERD_FILES_MAX 64
#define CONTAINERD_FILE_MAX (1024 * 1024) /* bytes */

struct containerd_file {
	char *path;   /* on the host */
	char *text;   /* as it is */
	char *others; /* without our lines */
	cJSON *tree;  /* of `others` */
};

struct containerd_files {
	const char *root; /* where the host's files stand: "" or "/host"; not owned */
	struct containerd_file items[CONTAINERD_FILES_MAX];
	size_t n; /* 0: there is no configuration */
};

/* Where the host's file `path` stands for us, whether or not it is there. Below a root no link leads out of it. ENAMETOOLONG. */
int containerd_host_path(const char *root, const char *path, char ret[static PATH_MAX], struct error *err) must_check;

/*
 * Reads `path` and its imports as containerd does (cmd/containerd/server/config: breadth first, each file once, relative to the file that
 * imports, "*" as glob(7)). A missing `path` is no error, a missing import is: containerd would not start. `ret` is to be cleared also
 * after an error.
 */
int containerd_files_read(const char *root, const char *path, struct containerd_files *ret, struct error *err) must_check;

/* One file that is no TOML: `tree` stays NULL. `*ret_found` false: there is none. */
int containerd_file_read(const char *root, const char *path, struct containerd_file *ret, bool *ret_found, struct error *err) must_check;

void containerd_file_clear(struct containerd_file *file);
void containerd_files_clear(struct containerd_files *files);

#endif
