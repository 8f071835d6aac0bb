// SPDX-License-Identifier: Apache-2.0
/*
 * All five sets, by the system calls themselves: they are three, and a library for them would be one more to ship.
 *
 * Only whoever has CAP_SETPCAP may narrow the bounding set. A container that was given no more than it needs has not, and needs not:
 * what no thread has and no_new_privs forbids to gain by execve cannot come back.
 */
#include <errno.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/base/array.h"
#include "common/sandbox/sandbox.h"

#define WORDS _LINUX_CAPABILITY_U32S_3
#define CAPABILITIES_MAX 64

struct capabilities {
	struct __user_cap_header_struct header;
	struct __user_cap_data_struct words[WORDS]; /* 32 capabilities each */
};

static int drop_from_bounding_set(uint64_t keep, struct error *err)
{
	for (int i = 0; i < CAPABILITIES_MAX && prctl(PR_CAPBSET_READ, i, 0, 0, 0) >= 0; i++) {
		if (keep & UINT64_C(1) << i)
			continue;
		if (prctl(PR_CAPBSET_DROP, i, 0, 0, 0) < 0 && errno != EPERM)
			return error_errno(err, errno, "cannot take capability %d out of the bounding set", i);
	}
	return 0;
}

static const char *name_of(int capability)
{
	return capability == CAP_NET_ADMIN ? "NET_ADMIN" : capability == CAP_CHOWN ? "CHOWN" : "see linux/capability.h";
}

static int check_present(const struct capabilities *present, uint64_t keep, struct error *err)
{
	for (int i = 0; i < CAPABILITIES_MAX; i++) {
		if (keep & UINT64_C(1) << i && !(present->words[i / 32].permitted & UINT32_C(1) << i % 32))
			return error_set(err, EPERM,
					 "capability %d is missing (%s): run this as root, and give its container that capability", i,
					 name_of(i));
	}
	return 0;
}

int sandbox_keep_capabilities(uint64_t keep, struct error *err)
{
	struct capabilities capabilities = { .header.version = _LINUX_CAPABILITY_VERSION_3 };

	if (syscall(SYS_capget, &capabilities.header, capabilities.words) < 0)
		return error_errno(err, errno, "cannot read the process's capabilities");
	int r = check_present(&capabilities, keep, err);
	if (r == 0)
		r = drop_from_bounding_set(keep, err);
	if (r < 0)
		return r;
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return error_errno(err, errno, "cannot clear the ambient capabilities");
	for (size_t i = 0; i < ELEMENTS_OF(capabilities.words); i++) {
		capabilities.words[i].effective = capabilities.words[i].permitted = (uint32_t)(keep >> 32 * i);
		capabilities.words[i].inheritable = 0;
	}
	if (syscall(SYS_capset, &capabilities.header, capabilities.words) < 0)
		return error_errno(err, errno, "cannot give up capabilities");
	return 0;
}
