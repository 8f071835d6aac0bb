// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_VM_HOST_H
#define HOLDFAST_VM_HOST_H

#include "kata-shim/vm/jail/cgroup.h"
#include "kata-shim/vm/jail/virtiofsd.h"
#include "kata-shim/vm/net/net.h"
#include "kata-shim/vm/plan/plan.h"
#include "kata-shim/vm/qemu/vmm.h"
#include "kata-shim/vm/share/share.h"

/* All that a VM has on the host besides QEMU, which is started in it. Blocks for milliseconds. */
struct host {
	const struct vm_settings *settings;
	const char *id; /* the sandbox's */
	char directory[PATH_MAX - 64];
	struct ids ids;
	int user_namespace;
	struct cgroup *cgroup;
	struct net *net;
	struct jail_process virtiofsd;
	struct share *share;
	int share_connection; /* for QEMU; -1 after host_release */
	bool made;
};

/* `id` and `settings` outlive it. A failure has undone what was done. */
int host_make(struct host *host, const char *id, const struct vm_settings *settings, const struct plan_sandbox *sandbox,
	      struct error *err) must_check;

/* vmm_spawn with the host as context: in the cgroup, as the pod's VMM user, in a jail. */
vmm_spawn host_spawn_vmm;
/* QEMU runs, or will not: its descriptors are closed here. */
void host_release(struct host *host);

/* A container has this oom_score_adj, and its memory is the VMM's: so the VMM has the highest of its containers'. */
int host_raise_oom_score(const struct host *host, pid_t vmm, int value, struct error *err) must_check;

/* QEMU has ended: everything goes. Goes on after a failure, and returns the first. Nothing for one that was not made. */
int host_unmake(struct host *host, struct error *err) must_check;

#endif
