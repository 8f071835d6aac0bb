// SPDX-License-Identifier: Apache-2.0
#include "cni-plugin/agent/bridge.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/base/array.h"
#include "common/base/cleanup.h"

static int set_to_one(const char *path, struct error *err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	char value = 0;

	if (fd < 0 && errno == ENOENT)
		return error_set(err, ENOSYS,
				 "the pod is on a bridge, and without the kernel module br_netfilter packets between its ports pass no "
				 "rules: run `modprobe br_netfilter` on this node (%s is missing)",
				 path);
	if (fd >= 0 && read(fd, &value, 1) == 1 && value == '1')
		return 0;
	_cleanup_close_ int writable = open(path, O_WRONLY | O_CLOEXEC);
	if (writable < 0 || write(writable, "1\n", 2) != 2)
		return error_set(err, ENOSYS, "the pod is on a bridge, and packets between its ports pass no rules: cannot set %s to 1: %s",
				 path, strerror(errno));
	return 1;
}

int bridge_prepare(struct error *err)
{
	static const char *const paths[] = {
		"/proc/sys/net/bridge/bridge-nf-call-iptables",
		"/proc/sys/net/bridge/bridge-nf-call-ip6tables",
	};
	int changed = 0;

	for (size_t i = 0; i < ELEMENTS_OF(paths); i++) {
		int r = set_to_one(paths[i], err);
		if (r < 0)
			return r;
		changed |= r;
	}
	return changed;
}
