// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_VM_VM_H
#define HOLDFAST_VM_VM_H

#include <errno.h>

#include "kata-shim/vm/agent/agent.h"
#include "kata-shim/vm/agent/forward.h"
#include "kata-shim/vm/net/messages.h"
#include "kata-shim/vm/sandbox/host.h"
#include "kata-shim/vm/sandbox/sandbox.h"

/*
 * The inside of sandbox.h.
 *
 *	NEW ─→ BOOTING ─→ RUNS ─→ LOST
 *	 │        │ └─→ FAILED     │       any but NEW ─→ STOPPING ─→ STOPPED
 *	 └────────┴──── STOPPED ←──┘
 */
enum vm_state { VM_NEW, VM_BOOTING, VM_FAILED, VM_RUNS, VM_LOST, VM_STOPPING, VM_STOPPED };

enum vm_phase { PHASE_BEGIN, PHASE_HOST, PHASE_VMM, PHASE_READY, PHASE_GUEST, PHASE_NETWORK, PHASE_SANDBOX };
#define VM_PHASES (PHASE_SANDBOX + 1)

/* MADE ─→ STARTING ─→ RUNNING ─→ ENDED, and ENDING between MADE and ENDED for one that is killed. */
enum vm_process_state { PROCESS_MADE, PROCESS_STARTING, PROCESS_RUNNING, PROCESS_ENDING, PROCESS_ENDED };

struct vm_process {
	struct vm_container *container;
	struct vm_process *next; /* of the container's */
	enum vm_process_state state;
	char exec[SPEC_ID_MAX + 1]; /* "": the container's first */
	struct stdio *stdio;        /* NULL: the sandbox's own */
	struct plan_process asked;  /* of an exec, until it is started */
	struct agent_call wait;     /* its end */
	uint32_t width, height;     /* of its terminal, wished for before it was started */
	uint32_t status;            /* of one that is ending */
	uint64_t killed_at;         /* ms: the guest was told to kill it; 0: it was not */
};

struct vm_container {
	struct vm_process first;
	struct vm *vm;
	struct vm_container *next;
	char id[SPEC_ID_MAX + 1];
	struct plan *plan; /* until the guest has it */
	bool creating, removing, updating;
	bool in_guest; /* the agent knows it */
	bool mounted;  /* its root is in the share */
	bool shares_processes;
	char **shares; /* names in the share */
	size_t n_shares, shares_capacity;
	struct vm_process *execs;
	struct vm_limits limits;     /* its own */
	char *cpus;                  /* of the host, that it is to run on; NULL: all */
	struct vm_copy *copies;      /* of volumes, in the guest */
	struct op *waits_for_copies; /* before it is created */
	void (*copies_ended)(struct vm_container *container);
	struct op *remover;
};

/* The sandbox's own container, if the guest must have one because containers share their processes. */
enum pause_state { PAUSE_NONE, PAUSE_MAKING, PAUSE_MADE };

/* One thing that was asked of the VM, until it is answered. */
struct op {
	struct agent_call call; /* its context is the op */
	struct vm *vm;
	vm_done *done;
	void *context;
	struct vm_container *container; /* those that need it */
	struct vm_process *process;     /* later: it ends afterwards */
	struct update *update;          /* update.c */
	void (*then)(struct op *op);    /* of one that waits for the loop or the pause container: instead of its end */
	void (*failed)(struct op *op, const struct error *err);
	struct op *next;   /* that waits */
	struct error *err; /* of one that waits for the loop, or for the VM's reason */
	bool held;	   /* it has waited for that */
};

struct vm {
	uv_loop_t *loop;
	char id[SPEC_ID_MAX + 1];
	char *bundle;
	const struct vm_settings *settings;
	const struct vm_listener *listener;
	void *context;
	enum vm_state state;
	struct plan_sandbox sandbox;
	struct vm_size size;

	struct host host;
	struct vmm *vmm;
	struct agent *agent;
	struct forwards *forwards; /* while the guest can be asked; NULL: none */
	struct error why; /* it is lost, or could not boot */
	uint64_t phases[VM_PHASES];

	struct vm_container *containers;
	struct agent_call pause_call;
	enum pause_state pause;
	struct vm_container *pause_container; /* in the guest; not one of `containers` */
	struct vm_rootfs *pause_rootfs;       /* a copy */
	size_t n_pause_rootfs;
	struct op *wait_for_pause;

	size_t n_ops; /* that are not answered */
	struct op *later, **later_last;
	struct op *held; /* that wait for the VM's reason */
	struct op *booting, *stopping;
	bool down, closing; /* while it is stopped: nothing is left on the host; the handles go */

	unsigned n_handles;
	uv_idle_t idle; /* while there is something in `later` */
	uv_timer_t health, patience, oom_pause;
	uv_poll_t virtiofsd;
	bool watches_virtiofsd;
	struct agent_call check, oom, clock;
	char *cpus;         /* that it is kept to; NULL: to none */
	uint32_t given_mib; /* what the balloon leaves the guest of its memory: less than its size if its pod has no room (room.c) */
	bool is_giving;
	uint64_t share_silent_since; /* ms: the guest says that virtiofsd does not answer; 0: it does, or has a reason */
	size_t next_interface; /* while it boots */
	struct net_messages *network;
};

/* ── op.c ── */

/* NULL, and `done` was told so, if memory is out. */
struct op *op_new(struct vm *vm, vm_done *done, void *context);
/*
 * It is answered and freed: at once, or, if the connection to the guest is lost and nobody knows why yet, when the VM is lost. The VM's own
 * reason instead of `err` if the VM is no more.
 */
void op_end(struct op *op, const struct error *err);
/* From the loop: those that wait for the VM's reason. It has one, or never will. */
void op_end_held(struct vm *vm);
/* As op_end, from the loop. */
void op_end_later(struct op *op, const struct error *err);
/* For what is known at once. */
void op_answer(struct vm *vm, vm_done *done, void *context, const struct error *err);
/* agent_done for ops that only pass the answer on. */
agent_done op_on_answer;

/* ── vm.c ── */

/* The VM runs, else the reason why not. */
int vm_check(const struct vm *vm, struct error *err) must_check;
/* ENOENT. `exec` "" is the first process. */
int vm_find_container(struct vm *vm, const char *id, struct vm_container **ret, struct error *err) must_check;
int vm_find_process(struct vm *vm, const char *id, const char *exec, struct vm_process **ret, struct error *err) must_check;
/* One that the guest has or that is the sandbox's own; ENOENT, EBUSY, or the VM's reason. */
int vm_find_in_guest(struct vm *vm, const char *id, struct vm_container **ret, struct error *err) must_check;
/* The sandbox's own container. */
static inline bool vm_is_own(const struct vm *vm, const char *container)
{
	return strcmp(vm->id, container) == 0;
}
/* The guest, QEMU or virtiofsd is no more, or of no use. */
void vm_lose(struct vm *vm, const struct error *why);
/* Every process that runs is told as ended. */
void vm_end_processes(struct vm *vm);
void vm_lose_copies(struct vm *vm, const struct error *why);

/* ── cpus.c ── */

/* `cpus` is a container's from now on ("": as before), and the VM runs on all that its containers may. */
int cpus_take(struct vm_container *container, const char *cpus, struct error *err) must_check;
/* Some container has gone. */
void cpus_follow(struct vm *vm);

/* ── room.c ── */

/* The guest gives memory back, or has it again, if that is due. */
void room_look(struct vm *vm);

/* ── health.c ── */

void health_start(struct vm *vm);
/* The guest hears what time it is on the host. */
void health_tell_time(struct vm *vm);
void health_stop(struct vm *vm);
/* Something is gone without which the VM is of no use: QEMU may have more to say of it soon. */
void health_suspect(struct vm *vm, const struct error *err);
int health_watch_virtiofsd(struct vm *vm, struct error *err) must_check;

/* ── boot.c ── */

void vm_open_handles(struct vm *vm);
void boot_end(struct vm *vm, const struct error *err);

/* ── create.c ── */

/* Its root and sources go into the share, and `plan` says how the guest has them. A failure leaves what container_unshare takes away. */
int container_prepare(struct vm_container *container, const char *bundle, const struct vm_rootfs *rootfs, size_t n_rootfs,
		      struct plan *plan, struct error *err) must_check;
/* CreateContainer, as the plan says. */
void container_ask(struct vm_container *container, const struct plan *plan, struct agent_call *call, agent_done *done);
void container_unshare(struct vm_container *container);
struct vm_container *container_new(struct vm *vm, const char *id) must_check;
void container_free(struct vm_container *container);

/* ── look.c ── */

/* What plan_settle must know of a source that is PLAN_OPEN. */
int container_look(const struct vm_container *container, const struct plan_source *source, struct plan_seen *ret,
		   struct error *err) must_check;

/* ── update.c ── */

/* What of the limits a message says; the rest stays. */
void limits_take(struct vm_limits *limits, const Oci__LinuxResources *resources);

/* ── copies.c ── */

/* Begins to copy a volume; E2BIG: it is too large for that. */
int container_copy(struct vm_container *container, const char *host, const char *guest, struct error *err) must_check;
/* When the guest has all of them: `then`, at once or later; or `failed`. */
void container_await_copies(struct vm_container *container, struct op *op, void (*then)(struct op *op),
			    void (*failed)(struct op *op, const struct error *err));
/* Takes them out of the guest, at once or later. */
void container_end_copies(struct vm_container *container, void (*ended)(struct vm_container *container));
void container_free_copies(struct vm_container *container);
/* The guest is no more; who waited for them has failed. The container may be gone afterwards. */
void container_lose_copies(struct vm_container *container, const struct error *why);

/* ── pause.c: the sandbox's own container ── */

/* Keeps what its root is made of. */
int pause_keep(struct vm *vm, const struct vm_rootfs *rootfs, size_t n_rootfs, struct error *err) must_check;
/* When the guest has a pause container: `then`, at once or later; or `failed`, from the loop or from within. */
void pause_need(struct vm *vm, struct op *op, void (*then)(struct op *op), void (*failed)(struct op *op, const struct error *err));
/* The VM goes: those that wait have failed. */
void pause_end(struct vm *vm);
void pause_forget(struct vm *vm);

/* ── process.c ── */

/* It runs no more; it may be freed soon after. */
void process_exited(struct vm_process *process, uint32_t status);
void process_clear(struct vm_process *process);
/* Of an exec, and ends the op, from the loop. EBUSY, and then it does not. */
int process_remove(struct vm_process *process, struct op *op, struct error *err) must_check;

/* ── stop.c ── */

/* Undoes all that is on the host. */
int vm_take_down(struct vm *vm, struct error *err) must_check;
/* If the VM is being stopped: another thing is answered. */
void stop_go_on(struct vm *vm);

#define KILLED (128 + 9)

#endif
