// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_PLUGIN_SANDBOX_RECORD_H
#define HOLDFAST_PLUGIN_SANDBOX_RECORD_H

#include "common/base/error.h"
#include "common/base/slice.h"

/*
 * What really runs where, as our runtime shim says it when it makes a sandbox: `<directory>/<sandbox id>.json`, put there in one step.
 *
 *	{"podUID":"8e1f…","namespace":"shop","name":"db-0","backend":"vm","shimPID":4711,"time":"2026-11-25T18:20:00Z"}
 */
enum sandbox_backend { SANDBOX_RUNC, SANDBOX_KATA, SANDBOX_VM };
#define SANDBOX_BACKENDS 3

#define SANDBOX_RECORD_BYTES_MAX 4096
#define SANDBOX_RECORDS_MAX 4096 /* files in the directory */
#define SANDBOX_UID_MAX 63       /* bytes */
#define SANDBOX_NAMESPACE_MAX 63
#define SANDBOX_NAME_MAX 253

const char *sandbox_backend_name(enum sandbox_backend backend); /* "runc" */

struct sandbox_record {
	char pod_uid[SANDBOX_UID_MAX + 1];
	char namespace[SANDBOX_NAMESPACE_MAX + 1];
	char name[SANDBOX_NAME_MAX + 1];
	enum sandbox_backend backend;
	int shim_pid;
};

/* EINVAL. Keys that are not known are an error too: whoever writes them knows more than we do. */
int sandbox_record_parse(struct slice text, struct sandbox_record *ret, struct error *err) must_check;

/*
 * What the pod of this UID runs on. Only records that our own user alone can have written are believed, of sandboxes whose shim lives.
 * ENOENT: there is none, and if a file was not believed, `err` says why. EACCES: the records contradict each other or the pod's name, or
 * somebody else may write into the directory. E2BIG: too many files. ENOMEM, EMFILE, ENFILE: nothing can be said now.
 */
int sandbox_record_find(const char *directory, const char *pod_uid, const char *namespace, const char *name, enum sandbox_backend *ret,
			struct error *err) must_check;
bool sandbox_record_is_shortage(int code); /* the last three */

#endif
