// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_GUEST_CONTAINER_H
#define HOLDFAST_GUEST_CONTAINER_H

#include "kata-shim/guest/agent.h"
#include "kata-shim/guest/process.h"
#include "kata-shim/guest/sub_path.h"

/*
 * The pod's containers. The methods that serve them are container_methods, process_methods and stream_methods (agent.h).
 *
 *	creating ──► created ──► starting ──► running ──► stopped
 *	    │           │            │           │           │
 *	    └───────────┴────────────┴─────┬─────┴───────────┘
 *	                               removing ──► gone
 *
 * removing: all its processes are killed; when crun's commands and its first process have ended, `crun delete` runs. A container that crun
 * could not create goes the same way.
 *
 * Its mounts are held until then, and a moment longer. Each mount of the host's is a file system of its own here (virtiofsd announces it), and
 * would end with the last process that sees it. But who dies may leave requests behind, as when its program's file was being read ahead; if
 * one is not answered yet when its file system ends, Linux 6.1 dies of it: "Busy inodes after unmount of virtiofs".
 */
#define CONTAINERS_MAX 128
#define CONTAINER_EXECS_MAX 256 /* of one container, that are being made, run, or have ended and nobody has waited for */

enum container_state {
	CONTAINER_CREATING,
	CONTAINER_CREATED,
	CONTAINER_STARTING,
	CONTAINER_RUNNING,
	CONTAINER_STOPPED,
	CONTAINER_REMOVING,
};

struct container {
	uv_timer_t timer; /* until a removal is too late */
	uv_timer_t again; /* until what is left of it is tried again */
	unsigned handles, tries;
	struct containers *all;
	struct container *next;
	char *id;
	enum container_state state;
	bool joins_pids; /* its processes are among another container's */
	struct process *first, *execs;
	size_t n_execs;
	struct sub_paths sub_paths; /* until crun has bound them */
	struct crun *crun;          /* a command that is about it as a whole, one at a time; execs have their own */
	struct ttrpc_call *call;    /* which the command serves */
	struct ttrpc_call *removal; /* who waits until it is gone */
	struct error failure;       /* why it could not be created; code 0: nothing */
	int mounts;                 /* its mount namespace; -1 */
	pid_t settling;             /* asks whether nothing is under way there (share_probe.h); 0: nobody does */
	int watch;                  /* of memory.events; -1 */
	uint64_t oom_kills;
	bool oom; /* to be told of */
};

struct containers {
	struct agent *agent;
	struct container *first;
	size_t n;
	struct container *pids_holder; /* whose processes the others join; NULL */
	struct oom *oom;
};

int containers_new(struct agent *agent, struct containers **ret, struct error *err) must_check;
/* For DestroySandbox: kills every process of every container; crun's state and the cgroups go. Then free. Accepts NULL. */
void containers_free(struct containers *containers);

/* EINVAL, EEXIST, ENOBUFS; the container is `all`'s. */
int container_new(struct containers *all, const char *id, struct container **ret, struct error *err) must_check;
/* Who waits is told that it is no more. */
void container_free(struct container *container);
/* ENOENT. One that is being removed can be found by its removal only. */
int container_find(struct containers *all, const char *id, struct container **ret, struct error *err) must_check;
int container_find_process(struct containers *all, const char *id, const char *exec_id, struct process **ret, struct error *err) must_check;

/* One more process in it; its id may be that of one that has ended and was waited for. EINVAL, EEXIST, ENOBUFS */
int container_add_exec(struct container *container, const char *exec_id, bool terminal, struct process **ret, struct error *err) must_check;
/* A process that was executed is freed; a container's first stays. */
void container_forget(struct container *container, struct process *process);
void container_process_ended(struct container *container, struct process *process);

/* From its creation on; `pid` is its first process. */
void container_hold_mounts(struct container *container, pid_t pid);
/* Runs a command about it; `call` is answered when that has ended, by `ended`, or as it went if NULL. ESTALE: another one runs. */
int container_command(struct container *container, const struct crun_command *command, crun_ended *ended, struct ttrpc_call *call,
		      struct error *err) must_check;
/* All that is of it goes. Goes on where it was, if it is going already. */
void container_remove(struct container *container);

const char *container_state_words(const struct container *container); /* "has not been started" */

#endif
