// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_BACKEND_FIND_H
#define HOLDFAST_BACKEND_FIND_H

#include <limits.h>

#include "common/base/error.h"
#include "kata-shim/route/backend.h"

/*
 * The shim of runc or Kata: the configured one, or else the first that is in the places where Kata installs its own, in PATH, or in the
 * directory of containerd's executable. So runc's is the one that containerd would run without us. Never ourselves under such a name.
 */
struct find_query {
	enum backend backend;   /* not BACKEND_VM */
	const char *configured; /* NULL: none; else this and no other */
	const char *containerd; /* path of its executable; NULL: not known */
	const char *path;       /* PATH; NULL: none */
};

/* ENOENT: the message says where it was looked for, and the key of holdfast.yaml that would tell. */
int backend_find(const struct find_query *query, char ret[static PATH_MAX], struct error *err) must_check;

/* An executable file, and not ourselves. */
bool backend_is_usable(const char *path);

/* True if `path` is this program, this version of it or another: such a shim decides nothing by itself. */
bool backend_is_ourselves(const char *path);

#endif
