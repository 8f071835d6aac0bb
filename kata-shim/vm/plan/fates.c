// SPDX-License-Identifier: Apache-2.0
/*
 * What a message has is kept. This is about all else that OCI's specification, or who extends it, can ask for: it stands here with a
 * reason, or it is refused as unknown. So a new key of a new containerd is never lost in silence.
 */
#include <string.h>

#include "common/base/array.h"
#include "kata-shim/vm/plan/internal.h"

#define OTHER_CLASS "or run the pod with another RuntimeClass"

struct row {
	const ProtobufCMessageDescriptor *type;
	const char *key;
	enum fate fate;
	const char *why;
};

static const struct row rows[] = {
	{ &oci__spec__descriptor, "ociVersion", FATE_ELSEWHERE, NULL },
	{ &oci__spec__descriptor, "hooks", FATE_REFUSED,
	  "a hook would run on the host and find nothing of the container there: take away what adds it (a CDI device, an NRI plugin, "
	  "NVIDIA's runtime), " OTHER_CLASS },
	{ &oci__spec__descriptor, "domainname", FATE_REFUSED, "the guest is given a host name only: leave it out" },

	{ &oci__process__descriptor, "apparmorProfile", FATE_DROPPED, NULL },
	{ &oci__process__descriptor, "selinuxLabel", FATE_DROPPED, NULL },
	{ &oci__user__descriptor, "umask", FATE_REFUSED, "the guest's is 0022: leave it out" },
	{ &oci__posixrlimit__descriptor, "hard", FATE_SATURATES, NULL },
	{ &oci__posixrlimit__descriptor, "soft", FATE_SATURATES, NULL },

	{ &oci__mount__descriptor, "uidMappings", FATE_REFUSED,
	  "an idmapped mount cannot be shared with a VM: leave out hostUsers: false" },
	{ &oci__mount__descriptor, "gidMappings", FATE_REFUSED,
	  "an idmapped mount cannot be shared with a VM: leave out hostUsers: false" },

	{ &oci__linux__descriptor, "cgroupsPath", FATE_DROPPED, NULL }, /* the sandbox's is plan_sandbox.cgroups_path */
	{ &oci__linux__descriptor, "mountLabel", FATE_DROPPED, NULL },
	{ &oci__linux__descriptor, "devices", FATE_ELSEWHERE, NULL },
	{ &oci__linux__descriptor, "namespaces", FATE_ELSEWHERE, NULL },
	{ &oci__linux__descriptor, "uidMappings", FATE_REFUSED,
	  "a user namespace of the host is not needed by a pod with a kernel of its own: leave out hostUsers: false" },
	{ &oci__linux__descriptor, "gidMappings", FATE_REFUSED,
	  "a user namespace of the host is not needed by a pod with a kernel of its own: leave out hostUsers: false" },
	{ &oci__linux__descriptor, "intelRdt", FATE_REFUSED,
	  "the host's caches cannot be divided within a VM: take away the annotation rdt.resources.beta.kubernetes.io, " OTHER_CLASS },
	{ &oci__linux__descriptor, "personality", FATE_REFUSED, "the guest's programs are of its own architecture only: leave it out" },
	{ &oci__linux__descriptor, "timeOffsets", FATE_REFUSED, "the guest has the host's time: leave it out" },
	{ &oci__linux__descriptor, "netDevices", FATE_REFUSED, "a network device of the host cannot be moved into a VM: take it away" },
	{ &oci__linux__descriptor, "memoryPolicy", FATE_REFUSED, "a VM has one memory node: leave it out" },

	{ &oci__linux_resources__descriptor, "devices", FATE_DROPPED, NULL },
	{ &oci__linux_resources__descriptor, "unified", FATE_ELSEWHERE, NULL },
	{ &oci__linux_resources__descriptor, "blockIO", FATE_REFUSED,
	  "the host's disks cannot be divided within a VM: take away the annotation blockio.resources.beta.kubernetes.io, " OTHER_CLASS },
	{ &oci__linux_resources__descriptor, "network", FATE_REFUSED, "a VM's packets have no class on the host: leave it out" },
	{ &oci__linux_resources__descriptor, "rdma", FATE_REFUSED, "the host's RDMA devices are not in a VM: leave it out" },
	{ &oci__linux_memory__descriptor, "limit", FATE_SATURATES, NULL },
	{ &oci__linux_memory__descriptor, "reservation", FATE_SATURATES, NULL },
	{ &oci__linux_memory__descriptor, "swap", FATE_SATURATES, NULL },
	{ &oci__linux_memory__descriptor, "useHierarchy", FATE_DROPPED, NULL },
	{ &oci__linux_memory__descriptor, "checkBeforeUpdate", FATE_DROPPED, NULL },
	{ &oci__linux_hugepage_limit__descriptor, "limit", FATE_SATURATES, NULL },
	{ &oci__linux_cpu__descriptor, "cpus", FATE_DROPPED, NULL },
	{ &oci__linux_cpu__descriptor, "mems", FATE_DROPPED, NULL },

	{ &oci__linux_seccomp__descriptor, "defaultErrnoRet", FATE_ELSEWHERE, NULL },
	{ &oci__linux_seccomp__descriptor, "listenerPath", FATE_REFUSED,
	  "who listens there is on the host and sees nothing of the guest's system calls: use a profile without SCMP_ACT_NOTIFY" },
	{ &oci__linux_seccomp__descriptor, "listenerMetadata", FATE_REFUSED,
	  "who listens is on the host and sees nothing of the guest's system calls: use a profile without SCMP_ACT_NOTIFY" },
};

static const struct row *find(const ProtobufCMessageDescriptor *type, const char *key)
{
	for (size_t i = 0; i < ELEMENTS_OF(rows); i++) {
		if (rows[i].type == type && strcmp(rows[i].key, key) == 0)
			return &rows[i];
	}
	return NULL;
}

enum fate fate_of(const ProtobufCMessageDescriptor *type, const char *key, bool has_field, const char **ret_why)
{
	const struct row *row = find(type, key);

	if (!row && has_field)
		return FATE_KEPT;
	*ret_why = row ? row->why : "not known to Holdfast, and a VM would be without it: take away what sets it, " OTHER_CLASS;
	return row ? row->fate : FATE_REFUSED;
}
