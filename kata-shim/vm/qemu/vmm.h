// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_VM_QEMU_VMM_H
#define HOLDFAST_VM_QEMU_VMM_H

#include <sys/types.h>
#include <uv.h>

#include "kata-shim/vm/qemu/size.h"

/*
 * QEMU of one sandbox: started, watched, resized, stopped. Everything runs in the loop's thread and nothing blocks but the start of the
 * process. QEMU and the guest may be hostile: they can make nothing grow, and no silence of theirs holds anything up. The program ignores
 * SIGPIPE.
 */
struct vmm;

#define VMM_TAPS_MAX 8

struct vmm_tap {
	int fd;          /* of a tap with IFF_VNET_HDR; stays the caller's, who may close it after vmm_start */
	const char *mac; /* "02:00:00:00:00:01" */
};

/*
 * Starts argv[0], an absolute path. fds[i] is its descriptor i, it has no others, and none of ours is closed. On success the process, a
 * child of ours, and `*ret_pidfd` are the caller's, who reaps it. QEMU opens /proc/self/fd/N and, with KVM, /dev/kvm.
 */
typedef int vmm_spawn(void *context, const char *const argv[], const int *fds, size_t n_fds, pid_t *ret_pid, int *ret_pidfd,
		      struct error *err);

struct vmm_options {
	const char *id; /* the sandbox's: letters, digits and "_.-" */
	const struct vm_settings *settings;
	struct vm_size size;
	const struct vmm_tap *taps;
	size_t n_taps;
	int share; /* connected to virtiofsd, which speaks vhost-user; stays the caller's as the taps' descriptors; -1: nothing is shared */
	vmm_spawn *spawn;
	void *spawn_context;
};

struct vmm_listener {
	/*
	 * QEMU runs the guest, and with vsock the guest's agent listens. `channel` is the stream to its agent, the receiver's from here on:
	 * what is written to it before the agent is there waits. Once at most, and never after `gone`.
	 */
	void (*ready)(void *context, int channel);
	/*
	 * QEMU has ended and is reaped, by itself or by vmm_stop. Once. `why` is for people: how it ended and the last that it and the
	 * guest's console said; NULL after vmm_stop. vmm_free may be called from here.
	 */
	void (*gone)(void *context, const struct error *why);
};

/*
 * Checks the guest's files, starts QEMU and returns before it answers; both calls of the listener come from the loop. `options` and what
 * it points to are not needed afterwards, except `settings`.
 */
int vmm_start(uv_loop_t *loop, const struct vmm_options *options, const struct vmm_listener *listener, void *context, struct vmm **ret,
	      struct error *err) must_check;

pid_t vmm_pid(const struct vmm *vmm);

/*
 * NULL: well. May be called before the function returns, if it fails at once; else after QEMU's answer, or five seconds without one. When
 * QEMU ends, all that wait are told before `gone`.
 */
typedef void vmm_done(void *context, const struct error *err);

/* Virtual CPUs stand still, or go on. */
void vmm_pause(struct vmm *vmm, vmm_done *done, void *context);
void vmm_resume(struct vmm *vmm, vmm_done *done, void *context);

/*
 * Gives the guest another amount of memory, up to memory_maximum_mib of its size: the guest's balloon driver does it, in its own time.
 * CPUs need nothing here: all of cpus_maximum are there, and the agent's OnlineCPUMem switches them on.
 */
void vmm_resize(struct vmm *vmm, uint32_t memory_mib, vmm_done *done, void *context);

/* The guest's agent has answered: from now on a QEMU that crashes does so for another reason than a KVM of no use. */
void vmm_note_guest(struct vmm *vmm);

/* What the guest's console said last, behind the message: for a guest that runs, but whose agent does not answer. */
void vmm_add_console(const struct vmm *vmm, struct error *err);

/* Ends QEMU: asked to by `quit`, and killed if it is there two seconds later. Then comes `gone`. */
void vmm_stop(struct vmm *vmm);

/* Ends QEMU at once, if it is there, waits for it, and calls nobody. NULL is allowed. The loop frees the rest. */
void vmm_free(struct vmm *vmm);

#endif
