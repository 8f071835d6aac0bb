// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_VM_PLAN_INTERNAL_H
#define HOLDFAST_VM_PLAN_INTERNAL_H

#include <errno.h>

#include "kata-shim/vm/plan/plan.h"

extern const struct json_limits plan_json_limits;

/* ── fates.c: what becomes of the keys that no message has ── */

enum fate {
	FATE_KEPT,      /* the message has it */
	FATE_SATURATES, /* and a number beyond 2^53 is the largest that there is: "unlimited" */
	FATE_DROPPED,   /* the host's; a guest has its own */
	FATE_ELSEWHERE, /* read by linux.c */
	FATE_REFUSED,   /* unless it says nothing: null, false, 0, "", [], {} */
};

/* `*ret_why` is set with FATE_REFUSED: what cannot be, and the cure. */
enum fate fate_of(const ProtobufCMessageDescriptor *type, const char *key, bool has_field, const char **ret_why);

/* ── read.c: JSON into a message with fields of the same names ── */

/* A message of this type with all of its defaults. NULL if out of memory. */
void *plan_new(struct arena *arena, const ProtobufCMessageDescriptor *type) must_check;
/* `ret` is the address of a pointer to the message; its texts are borrowed from the tree. */
int plan_read(struct arena *arena, const struct json_view *at, const ProtobufCMessageDescriptor *type, void *ret,
	      struct error *err) must_check;

/* As json_error, with EOPNOTSUPP. */
int plan_refuse(const struct json_view *at, struct error *err, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* printf into the arena. NULL if out of memory. */
char *plan_print(struct arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3))) must_check;

/* ── process.c, linux.c, mounts.c: what the messages must still be asked, and given ── */

int plan_check_process(struct arena *arena, Oci__Process *process, struct error *err) must_check;
/* `ret_cpus`: of the host; "": all. */
int plan_check_resources(const struct json_view *resources, const char **ret_cpus, struct error *err) must_check;
int plan_check_huge_pages(const Oci__LinuxResources *resources, struct error *err) must_check;

struct plan_spaces {
	const char *network; /* NULL: a new one */
	bool shares_processes;
};
/* Fills `linux_->namespaces`. */
int plan_check_namespaces(struct arena *arena, const struct json_view *linux_view, enum spec_kind kind, Oci__Linux *linux_,
			  struct plan_spaces *ret, struct error *err) must_check;
int plan_check_devices(const struct json_view *linux_view, struct error *err) must_check;
int plan_check_sysctls(const Oci__Linux *linux_, struct error *err) must_check;
int plan_check_seccomp(const struct json_view *linux_view, const Oci__LinuxSeccomp *seccomp, struct error *err) must_check;

/* Gives the mounts their sources in the guest, and plan->sources. */
int plan_mounts(struct plan *plan, const struct plan_question *question, struct error *err) must_check;

/* Reads plan->tree into plan->spec. `sandbox` is all that is known of it. */
int plan_build(struct plan *plan, const struct spec *pod, const struct plan_question *question, struct plan_spaces *ret_spaces,
	       struct error *err) must_check;

/* ── volume.c ── */

enum volume_kind {
	VOLUME_OTHER,
	VOLUME_COPIED,    /* kubelet or holdfast-tpm replace what is in it, and readers wait for that */
	VOLUME_EMPTY_DIR, /* on disk or in memory */
	VOLUME_SUB_PATH,  /* a file or directory of any volume */
};

struct volume {
	enum volume_kind kind;
	struct slice name; /* of the last two */
	struct slice pod;  /* of VOLUME_SUB_PATH: kubelet's directory of the pod */
};

/* By the path's form: kubelet's directory may be anywhere, so …/pods/<uid>/… is looked for. */
struct volume volume_of(const char *path, const char *uid, const char *sealed);
/* `path` is `directory` or below it. */
bool path_is_in(const char *path, const char *directory);
bool path_has_dots(const char *path);

#endif
