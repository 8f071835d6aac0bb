// SPDX-License-Identifier: Apache-2.0
/*
 * Files are written as root and then given away, and taken back before they are overwritten (device-plugin/deliver/shred.c); so neither
 * CAP_DAC_OVERRIDE nor CAP_FOWNER is needed for them. What is left of CAP_DAC_OVERRIDE's use is the TPM's device, which distributions give
 * to user and group "tss", mode 0660 (tpm2-tss: dist/tpm-udev.rules). Its group is enough, and opens nothing else; it is read off the
 * device, since a container has no /etc/group with that name. A device that comes later, with a group, needs a new process
 * (confine_lacks_group).
 *
 * Limits: the TPM's thread, libcurl's and OpenSSL's reserve address space that they do not use, as in the agent: 1 GiB is far above it.
 * Descriptors: a socket and a connection of kubelet's for each secret. Locked memory: all keys in use, and the content of those secrets
 * that are being delivered, one volume at a time; 8 MiB is what Linux allows everybody since 5.16.
 */
#include "device-plugin/daemon/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/array.h"
#include "common/base/slice.h"

#define ADDRESS_SPACE_MAX (UINT64_C(1) << 30)
#define OPEN_FILES_MAX 4096

/* F_SETLEASE and F_GETLEASE */
#define FCNTL_LEASE 1, UINT64_C(0xfffffffe), F_SETLEASE

static const struct sandbox_call calls[] = {
	{ "fchown" },    { "fchown32" }, { "fchownat" },  { "fcntl", 1, { { FCNTL_LEASE } } }, { "fcntl64", 1, { { FCNTL_LEASE } } },
	{ "symlinkat" }, { "mlock" },    { "getgroups" },
};

/* The path of "device:/dev/tpmrm0" or "swtpm:path=/run/swtpm.sock"; NULL: it has none. */
static const char *path_of(const char *tcti)
{
	static const char *const prefixes[] = { "device:", "swtpm:path=" };
	struct slice rest;

	for (size_t i = 0; i < ELEMENTS_OF(prefixes); i++) {
		if (slice_skip_prefix(slice_string(tcti), prefixes[i], &rest))
			return (const char *)rest.p;
	}
	return NULL;
}

static bool is_opened_by_group(const char *tcti, gid_t *ret)
{
	const char *path = path_of(tcti);
	struct stat status;

	if (!path || stat(path, &status) < 0 || status.st_uid == geteuid() || (status.st_mode & 060) != 060)
		return false;
	*ret = status.st_gid;
	return true;
}

static bool is_member(gid_t wanted)
{
	gid_t groups[1024];
	int n = getgroups(ELEMENTS_OF(groups), groups);

	for (int i = 0; i < n; i++) {
		if (groups[i] == wanted)
			return true;
	}
	return getegid() == wanted;
}

bool confine_lacks_group(const char *tcti, gid_t *ret)
{
	return is_opened_by_group(tcti, ret) && !is_member(*ret);
}

/* All other groups go. Whoever may not change them has those that he was given. */
static int keep_group(const char *tcti, struct error *err)
{
	gid_t group = 0;
	bool needed = is_opened_by_group(tcti, &group);

	if (setgroups(needed ? 1 : 0, &group) == 0 || (errno == EPERM && (!needed || is_member(group))))
		return 0;
	return error_errno(err, errno,
			   "cannot join group %u, which may open the TPM at %s; give the daemon's container CAP_SETGID, or that "
			   "group (supplementalGroups)",
			   group, path_of(tcti));
}

int confine_enter(const char *tcti, enum sandbox_filter filter, struct error *err)
{
	const struct sandbox sandbox = {
		.capabilities = UINT64_C(1) << CAP_CHOWN,
		.address_space = ADDRESS_SPACE_MAX,
		.open_files = OPEN_FILES_MAX,
		.locked_memory = CONFINE_LOCKED_MEMORY,
		.calls = calls,
		.n_calls = ELEMENTS_OF(calls),
		.filter = filter,
	};

	int r = keep_group(tcti, err);
	return r < 0 ? r : sandbox_enter(&sandbox, err);
}
