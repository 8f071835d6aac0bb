// SPDX-License-Identifier: Apache-2.0
/* The VM's cost in the host is that of its cgroup: QEMU and virtiofsd, and in QEMU's memory the guest's. */
#include <errno.h>
#include <stdio.h>

#include "common/base/file.h"
#include "kata-shim/task/usage.h"
#include "kata-shim/vm/jail/cgroup.h"

#define TABLE_MAX (64 * 1024)

bool usage_host_is_v2(void)
{
	return cgroup_host_is_unified();
}

/* A line of /proc/<pid>/cgroup: "4:memory:/kubepods/x", or "0::/kubepods/x" of version 2. All of a pod's are the same. */
static char *path_of(char *table)
{
	char *line = strstr(table, ":memory:");
	char *path = line ? line + strlen(":memory:") : NULL;

	if (!path) {
		line = strstr(table, "0::");
		path = line ? line + strlen("0::") : NULL;
	}
	if (path)
		path[strcspn(path, "\n")] = 0;
	return path;
}

int usage_of_process(pid_t pid, struct usage *ret, struct error *err)
{
	_cleanup_(buf_free) struct buf table = BUF_MAX(TABLE_MAX);
	_cleanup_(cgroup_freep) struct cgroup *cgroup = NULL;
	struct cgroup_usage used;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)pid);
	if (pid <= 0 || file_read(path, &table, err) < 0)
		return error_set(err, ESRCH, "the VM does not run");
	const char *place = path_of((char *)table.p);
	int r = place ? cgroup_open(place, false, &cgroup, err) : error_set(err, ENOENT, "the VM has no cgroup");
	if (r == 0)
		r = cgroup_read_usage(cgroup, &used, err);
	if (r < 0)
		return error_wrap(err, "what the VM takes of the host");
	*ret = (struct usage){
		.cpu_ns = used.cpu_ns, .cpu_user_ns = used.cpu_user_ns, .cpu_system_ns = used.cpu_system_ns,
		.memory = used.memory_bytes, .memory_limit = used.memory_limit_bytes,
		.inactive_file = used.memory_inactive_file_bytes, .processes = used.processes,
	};
	return 0;
}
