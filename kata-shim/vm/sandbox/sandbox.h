// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_VM_SANDBOX_H
#define HOLDFAST_VM_SANDBOX_H

#include <stdbool.h>
#include <time.h>
#include <uv.h>

#include "common/base/error.h"
#include "common/base/slice.h"
#include "common/proto/agent.pb-c.h"
#include "kata-shim/vm/agent/stdio.h" /* struct vm_stdio */

/*
 * The VM of one pod, from its first process on the host to the last thing that it leaves. All calls are made in the loop's thread; those
 * with a `vm_done` answer from the loop, never from within the call, and exactly once, whatever becomes of the VM. Texts and slices are the
 * caller's and needed only during the call.
 *
 *	vm_new ─→ vm_boot ─→ vm_create, vm_start, … ─→ vm_stop ─→ vm_free
 *	                └──────── lost ────────────────────↗
 *
 * A process is named by its container and its exec id; "" is the container's first process. The sandbox's own container (its id is the
 * VM's) is there for containerd's sake: it has no process in the guest unless the pod's containers share their processes, and lives until
 * it is killed.
 *
 * Codes of errors, for who answers containerd: ENOENT no such container or process, EEXIST it is there already, ESRCH it has ended, EBUSY
 * not in this state, EINVAL a spec that cannot be; ETIMEDOUT the guest does not answer, ECONNRESET the VM is no more (with its reason).
 */
struct vm;
struct vm_settings; /* kata-shim/vm/qemu/settings.h */

/* As containerd.types.Mount; what the container's root file system is made of, mounted one upon the other. */
struct vm_rootfs {
	const char *type, *source, *target;
	const char *const *options;
	size_t n_options;
};

struct vm_listener {
	/* Once for each process that was started, after all of its output is in its fifos. A signal's status is 128 + its number. */
	void (*exited)(void *context, const char *container, const char *exec, uint32_t status, const struct timespec *at);
	void (*oom)(void *context, const char *container); /* the guest's kernel has killed a process of it */
	/* Once: the VM is no more, its processes have been told as exited (137) before. Not called by vm_stop. What is left: vm_stop. */
	void (*lost)(void *context, const char *why);
	/*
	 * During vm_boot: all processes of the VM have been started, and nothing that a guest has made has been read. An error ends the
	 * boot with it. NULL: nothing is to be done then.
	 */
	int (*started)(void *context, struct error *err);
};

typedef void vm_done(void *context, const struct error *err); /* NULL: done */

/*
 * `id` is the sandbox's, `bundle` its bundle, whose config.json says size, network namespace, cgroup and host name; `settings` and
 * `listener` outlive the VM. Starts nothing.
 */
int vm_new(uv_loop_t *loop, const char *id, const char *bundle, const struct vm_settings *settings, const struct vm_listener *listener,
	   void *context, struct vm **ret, struct error *err) must_check;
/* After vm_stop, or before vm_boot. Accepts NULL. */
void vm_free(struct vm *vm);

/* All of it: share, network, QEMU, guest, CreateSandbox. A failure has undone what was done, and says the end of the guest's console. */
void vm_boot(struct vm *vm, vm_done *done, void *context);

/* What vm_boot took, in microseconds, once it has succeeded. */
struct vm_times {
	uint64_t host;    /* ids, cgroup, the pod's network taken, virtiofsd started, share */
	uint64_t spawn;   /* the guest's files checked, QEMU's process started */
	uint64_t qemu;    /* QEMU, until the guest runs */
	uint64_t guest;   /* the guest's kernel and the start of its agent, until that answers */
	uint64_t network; /* given to the guest */
	uint64_t sandbox; /* CreateSandbox */
};
void vm_boot_times(const struct vm *vm, struct vm_times *ret);

/* QEMU's, in the host; 0 if it does not run. */
pid_t vm_pid(const struct vm *vm);

/* `rootfs` may be empty: <bundle>/rootfs is there already. */
void vm_create(struct vm *vm, const char *container, const char *bundle, const struct vm_rootfs *rootfs, size_t n_rootfs,
	       const struct vm_stdio *stdio, vm_done *done, void *context);
/* `process_json`: the OCI runtime specification's `process`. The process is made by vm_start. */
void vm_exec(struct vm *vm, const char *container, const char *exec, struct slice process_json, const struct vm_stdio *stdio, vm_done *done,
	     void *context);
/* `exited` is never called before `done`. */
void vm_start(struct vm *vm, const char *container, const char *exec, vm_done *done, void *context);
/* `all`: every process of the container. ESRCH if it has ended. A process that was not started yet ends by SIGKILL, with `exited`. */
void vm_kill(struct vm *vm, const char *container, const char *exec, int signal, bool all, vm_done *done, void *context);
void vm_resize(struct vm *vm, const char *container, const char *exec, uint32_t width, uint32_t height, vm_done *done, void *context);
/* After what is in the fifo has been delivered. */
void vm_close_stdin(struct vm *vm, const char *container, const char *exec, vm_done *done, void *context);
void vm_pause(struct vm *vm, const char *container, vm_done *done, void *context);
void vm_resume(struct vm *vm, const char *container, vm_done *done, void *context);
/* `resources_json`: the OCI runtime specification's `linux.resources`. Of the sandbox's own container: the VM's size. */
void vm_update(struct vm *vm, const char *container, struct slice resources_json, vm_done *done, void *context);

/* `stats` NULL if there is an error, or for the sandbox's own container, whose cost is the VMM's. */
typedef void vm_stats_done(void *context, const struct error *err, const Agent__StatsContainerResponse *stats);
void vm_stats(struct vm *vm, const char *container, vm_stats_done *done, void *context);

/* Of a process that has ended or was never started (EBUSY else). With exec "" the container goes: its mounts, copies, and fifos. */
void vm_remove(struct vm *vm, const char *container, const char *exec, vm_done *done, void *context);

/* Everything of it goes, whatever state it is in; processes that still run are told as exited (137). Then vm_free. */
void vm_stop(struct vm *vm, vm_done *done, void *context);

/*
 * From another process, for `delete`: whatever a dead shim has left of sandbox `id`: processes, mounts, cgroup, tap, files, ids.
 * Idempotent, within 5 s.
 */
int vm_clean_up(const char *id, const struct vm_settings *settings, struct error *err) must_check;

#endif
