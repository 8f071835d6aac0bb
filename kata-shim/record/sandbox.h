// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_RECORD_SANDBOX_H
#define HOLDFAST_RECORD_SANDBOX_H

#include <time.h>

#include "common/base/error.h"
#include "kata-shim/bundle/spec.h"
#include "kata-shim/route/backend.h"

/*
 * What really runs where, for the other parts of Holdfast: <directory>/<sandbox id>.json, root only, put there in one step, removed with
 * the sandbox. Its reader is device-plugin/plugin/sandbox_record.h, which believes it while `shim` lives.
 */
#define RECORD_DEFAULT_DIRECTORY "/run/holdfast/sandboxes"

struct record {
	const char *id;                     /* the sandbox's */
	const char *uid, *namespace, *name; /* the pod's */
	enum backend backend;
	int shim; /* process id */
	time_t time;
};

/* False: the spec does not say whose sandbox it is, so that nobody could ever ask. */
bool record_of(const struct spec *spec, const char *id, enum backend backend, struct record *ret);

/* If need be. EACCES: it is somebody else's. */
int record_make_directory(const char *directory, struct error *err) must_check;

/* Makes the directory, too. */
int record_write(const char *directory, const struct record *record, struct error *err) must_check;

/* ENOENT: there is none. What it says of the pod is not read. */
int record_read_backend(const char *directory, const char *id, enum backend *ret, struct error *err) must_check;

/* If there is one. */
void record_remove(const char *directory, const char *id);

#endif
