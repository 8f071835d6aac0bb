// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_VM_PLAN_PLAN_H
#define HOLDFAST_VM_PLAN_PLAN_H

#include "common/base/arena.h"
#include "common/proto/agent.pb-c.h"
#include "kata-shim/bundle/spec.h"
#include "kata-shim/vm/qemu/size.h"

/*
 * What a bundle's config.json asks for, as the agent in the guest is told of it (library hf_vm_plan). Pure: no I/O, nothing is looked at.
 *
 * What belongs to the host is left out: the labels of AppArmor and SELinux, the cgroup's path and its rules for devices, the set of CPUs
 * and memory nodes, the paths of namespaces, the device nodes that every container has. What a VM cannot keep is refused with EOPNOTSUPP
 * and a message that names the field, its value and the cure: never ignored. A key that we do not know is refused, too. EINVAL: no
 * config.json of containerd. E2BIG: a limit of these. ENOMEM.
 *
 * A plan owns what its pointers lead to: a tree of JSON, from which it borrows texts, and an arena. Nothing of it is freed on its own. A
 * container's is needed until the agent has been asked; a sandbox's lives as long as its VM, and is small.
 */
#define PLAN_VALUES_MAX 100000 /* of a config.json; containerd's with a seccomp profile has 1,000 */
#define PLAN_MOUNTS_MAX 1024
#define PLAN_SYSCTLS_MAX 256
#define PLAN_ID_MAX 65535 /* of users and groups */

/* In the guest. A container's are below the first two: <container> and <container>-<n>-<name>, or <container>-<n>. */
#define PLAN_GUEST_SHARED "/run/kata-containers/shared/containers/host"
#define PLAN_GUEST_COPIES "/run/kata-containers/shared/containers/copies"
#define PLAN_GUEST_MEMORY "/run/kata-containers/sandbox/ephemeral" /* <volume>: emptyDir in memory, one for all containers of the pod */
#define PLAN_GUEST_SUB_PATHS                                                                                                               \
	"/run/kata-containers/sandbox/sub-paths"          /* <container>-<n>: a directory of such a volume, while it is created */
#define PLAN_GUEST_SHM "/run/kata-containers/sandbox/shm" /* made by CreateSandbox's storages */

/* What every container of a pod has from its sandbox. */
struct plan_sandbox {
	struct spec pod;          /* whose it is; SPEC_SANDBOX, or SPEC_ALONE: the only container is the sandbox */
	const char *hostname;     /* at most 64 bytes; "": none */
	const char *network;      /* path of the network namespace on the host; NULL: none was made, there is only lo */
	const char *cgroups_path; /* on the host, as runc reads it: "/a/b" or "slice:prefix:name"; "": none */
	struct vm_limits limits;  /* the sum of the containers': io.kubernetes.cri.sandbox-memory and -cpu-… */
	/* Of the pod's namespaces. plan_make gives them to each container, as there may be no pause container: whoever is first sets them.
	 */
	Oci__StringEntry **sysctls;
	size_t n_sysctls;

	struct arena arena;
};

/* `config` is the text of the sandbox's config.json. Refused: host network, host PID, host IPC, and what plan_make refuses in any
 * container. */
int plan_read_sandbox(struct slice config, struct plan_sandbox *ret, struct error *err) must_check;
void plan_sandbox_clear(struct plan_sandbox *sandbox);

/* ── a container ── */

enum plan_way {
	PLAN_SHARED, /* the directory or file `host` is to be seen in the share as `name` (<share>/<name>), by mounting it there */
	PLAN_COPIED, /* its content is to be at `guest`, before the container starts and after every change */
	PLAN_MEMORY, /* a tmpfs of the guest: `storage` belongs into CreateContainer's storages, once for each container that has it */
	PLAN_OPEN,   /* cannot be known from the path: look at it, then plan_settle says which of the three */
};

/* Something of the host that the guest needs. Nothing says whether it is a directory or a file, nor that it is there. */
struct plan_source {
	enum plan_way way;
	const char *host;        /* absolute, without ".." */
	const char *name;        /* "<container>-<n>-<basename>": one component of letters, digits, '.', '_' and '-', below 128 bytes */
	const char *guest;       /* where the guest has it: what its mount's `source` says */
	const char *destination; /* in the container: for messages */
	bool readonly;
	bool recursive;     /* with the mounts that are below it now */
	bool follows;       /* and with those that come later (HostToContainer), as far as the share can */
	const char *ask;    /* of PLAN_OPEN: the emptyDir that it may be a subPath of; see plan_seen's `asked`. NULL: it is none */
	const char *volume; /* of PLAN_OPEN: the volume's name in the pod */
	/* Of PLAN_MEMORY: driver "ephemeral", options mode=0777, size=BYTES, fsgid=GROUP. Kata's agent minds only the last. */
	Agent__Storage *storage;
	/* And of a subPath, after that: driver "holdfast-sub-path" (kata-shim/guest/storage.h), which Kata's agent has not. NULL: the whole
	 */
	Agent__Storage *sub_path;
	Oci__Mount *mount; /* that uses it */
};

struct plan {
	Oci__Spec *spec;       /* for CreateContainer; root.path is <PLAN_GUEST_SHARED>/<container>/rootfs */
	bool shares_processes; /* its pid namespace is the sandbox's: `sandbox_pidns`, and there must be a pause container */
	const char *cpus;      /* of the host, on which it is to run: "0-3,8"; "": all. Not the guest's */
	struct plan_source *sources;
	size_t n_sources;
	const char *container;

	cJSON *tree;
	struct arena arena;
};

struct plan_question {
	const char *container;              /* its id: at least two characters, and one of containerd */
	const struct plan_sandbox *sandbox; /* of the pod that it must be of */
	const char *sealed;                 /* where volumes of sealed secrets are: "/run/holdfast/vol" */
};

/*
 * `config` is the text of the container's config.json; the sandbox's own gives its pause container (or the only container, if it is alone).
 * The rootfs is no source: it is always there.
 */
int plan_make(struct slice config, const struct plan_question *question, struct plan *ret, struct error *err) must_check;
void plan_clear(struct plan *plan);

enum plan_file_system {
	PLAN_DISK, /* any other */
	PLAN_TMPFS,
	PLAN_HUGETLBFS,
};

#define PLAN_SUB_PATH_MAX 512 /* bytes, with the 0 */

/* What somebody has seen who looked at a source's `host`. */
struct plan_seen {
	enum plan_file_system file_system;
	uint64_t bytes;     /* as large as it may grow; 0: no limit */
	uint32_t mode, gid; /* of the directory itself; of `ask` if that is there */
	bool asked;         /* `ask` is there */
	/* Of a directory in `ask`: where, without '/' in front ("": `ask` itself), and whose. "/": it is none, or that cannot be told. */
	char sub_path[PLAN_SUB_PATH_MAX];
	uint32_t sub_mode, sub_uid, sub_gid;
};

/* Decides a source that is PLAN_OPEN; others stay as they are. EOPNOTSUPP. */
int plan_settle(struct plan *plan, struct plan_source *source, const struct plan_seen *seen, struct error *err) must_check;

/* A PLAN_COPIED one that is too large to copy is shared. */
int plan_share_instead(struct plan *plan, struct plan_source *source, struct error *err) must_check;

/* ── what a running container is asked for ── */

/* Of an exec: the JSON of types.containerd.io/opencontainers/runtime-spec/1/Process. Refuses as plan_make does. */
struct plan_process {
	Oci__Process *message;
	cJSON *tree;
	struct arena arena;
};
int plan_read_process(struct slice json, struct plan_process *ret, struct error *err) must_check;
void plan_process_clear(struct plan_process *process);

/* Of an Update: the JSON of types.containerd.io/opencontainers/runtime-spec/1/LinuxResources. */
struct plan_resources {
	Oci__LinuxResources *message;
	const char *cpus; /* as plan.cpus; "": as before */
	cJSON *tree;
	struct arena arena;
};
int plan_read_resources(struct slice json, struct plan_resources *ret, struct error *err) must_check;
void plan_resources_clear(struct plan_resources *resources);

/* ── the sandbox ── */

/* The lines of a resolv.conf, for CreateSandbox's `dns`; comments and empty ones are left out. Owned by the arena. E2BIG, EINVAL. */
#define PLAN_DNS_LINES_MAX 64
#define PLAN_DNS_BYTES_MAX (16 * 1024)
int plan_dns(struct slice resolv_conf, struct arena *arena, char ***ret_lines, size_t *ret_n, struct error *err) must_check;

#endif
