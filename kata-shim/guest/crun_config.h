// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_GUEST_CRUN_CONFIG_H
#define HOLDFAST_GUEST_CRUN_CONFIG_H

#include "common/base/buf.h"
#include "common/base/error.h"
#include "common/proto/oci.pb-c.h"

/*
 * Messages → what crun reads (OCI runtime specification 1.0). Pure.
 *
 * A container has new namespaces for mounts, processes and cgroups, and a new one for users if the message says so; IPC and host name are
 * the sandbox's, the network is the guest's. Its /dev has crun's default nodes, and no other device may be opened. Not in the text, because
 * the agent sees to it or because it is the guest's: sysctl, host name. Annotations are left out: to crun they are commands.
 */
#define CRUN_JSON_MAX (16 * 1024 * 1024) /* bytes: a message of 4 MiB, and what JSON adds to it */

struct crun_world {
	const char *cgroup;    /* "/<container's id>" */
	const char *ipc, *uts; /* files of the sandbox's namespaces */
	const char *pids;      /* the file of a namespace of processes to join; NULL: a new one */
	bool any_device;       /* no rule for devices: outside of a guest crun may not be allowed to set one */
};

/* All append to `out`, which the caller checks. EINVAL: what is missing or makes no sense, with its place in the message. */
int crun_write_config(const Oci__Spec *spec, const struct crun_world *world, struct buf *out, struct error *err) must_check;
int crun_write_process(const Oci__Process *process, struct buf *out, struct error *err) must_check;
/* What is 0 is left out, since crun leaves that alone; and what cgroup v2 does not have (swappiness, limits of huge pages that are 0). */
int crun_write_resources(const Oci__LinuxResources *resources, struct buf *out, struct error *err) must_check;

/* True if the container is to have this namespace. */
bool crun_has_namespace(const Oci__Spec *spec, const char *type);

#endif
