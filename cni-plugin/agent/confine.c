// SPDX-License-Identifier: Apache-2.0
/*
 * The limits, and what they were chosen from. With 10,000 pods and 1,000 policies the agent has mapped 30 MiB (VmPeak, 2026-11-25). Each
 * thread that libcurl starts to resolve a name reserves up to 136 MiB (a stack, an arena of glibc), of which it uses next to nothing; there
 * are at most four, one for each kind of object. 1 GiB holds both, and a cluster of ten times the size. At the limit malloc says no: the
 * model is given up and the agent ends, with the rules in the kernel.
 *
 * Descriptors: 64 calls, 16 clients of /metrics, a few for each watch; journal and manifests are open one at a time.
 *
 * CAP_NET_BIND_SERVICE goes too: network.metricsAddress must have a port from 1024 on.
 */
#include "cni-plugin/agent/confine.h"

#include <linux/capability.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include "common/base/array.h"

#define ADDRESS_SPACE_MAX (UINT64_C(1) << 30)
#define OPEN_FILES_MAX 512

static const struct sandbox_call calls[] = {
	{ "socket", 2, { { SANDBOX_IS(0, AF_NETLINK) }, { SANDBOX_IS(2, NETLINK_NETFILTER) } } },
};

int confine_enter(enum sandbox_filter filter, struct error *err)
{
	const struct sandbox sandbox = {
		.capabilities = UINT64_C(1) << CAP_NET_ADMIN,
		.address_space = ADDRESS_SPACE_MAX,
		.open_files = OPEN_FILES_MAX,
		.calls = calls,
		.n_calls = ELEMENTS_OF(calls),
		.filter = filter,
	};

	return sandbox_enter(&sandbox, err);
}
