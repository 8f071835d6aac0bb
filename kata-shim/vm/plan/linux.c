// SPDX-License-Identifier: Apache-2.0
/* Of config.json's `linux`: devices, sysctls, seccomp and cgroup v2. What of them a guest cannot have is refused. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/array.h"
#include "common/base/show.h"
#include "kata-shim/vm/plan/internal.h"

/* ── devices ── */

/* Every container has these (OCI: config-linux.md, Default Devices). */
static const struct {
	const char *path;
	int64_t major, minor;
} defaults[] = {
	{ "/dev/null", 1, 3 },    { "/dev/zero", 1, 5 }, { "/dev/full", 1, 7 },    { "/dev/random", 1, 8 },
	{ "/dev/urandom", 1, 9 }, { "/dev/tty", 5, 0 },  { "/dev/console", 5, 1 }, { "/dev/ptmx", 5, 2 },
};

struct device {
	const char *path, *type;
	int64_t major, minor;
};

static int read_number(const struct json_view *object, const char *key, int64_t *ret, struct error *err)
{
	struct json_view at;

	return json_member(object, key, &at) ? json_expect_integer(&at, -1, UINT32_MAX, ret, err) : 0;
}

static int read_device(const struct json_view *at, struct device *ret, struct error *err)
{
	struct json_view path, type;

	int r = json_expect_object(at, err);
	if (r == 0)
		r = json_require(at, "path", &path, err);
	if (r == 0)
		r = json_expect_string(&path, &ret->path, err);
	if (r == 0)
		r = json_require(at, "type", &type, err);
	if (r == 0)
		r = json_expect_string(&type, &ret->type, err);
	if (r == 0)
		r = read_number(at, "major", &ret->major, err);
	return r < 0 ? r : read_number(at, "minor", &ret->minor, err);
}

static bool is_default(const struct device *device)
{
	for (size_t i = 0; i < ELEMENTS_OF(defaults); i++) {
		if (strcmp(device->path, defaults[i].path) == 0)
			return strcmp(device->type, "c") == 0 && device->major == defaults[i].major && device->minor == defaults[i].minor;
	}
	return false;
}

int plan_check_devices(const struct json_view *linux_view, struct error *err)
{
	struct device first = {};
	struct json_view at;
	size_t n, others = 0;
	char more[32] = "";

	if (!json_member(linux_view, "devices", &at))
		return 0;
	int r = json_expect_array(&at, PLAN_VALUES_MAX, &n, err);
	if (r < 0)
		return r;
	JSON_FOR_EACH(item, &at) {
		struct device device = {};
		r = read_device(&item, &device, err);
		if (r < 0)
			return r;
		if (!is_default(&device) && others++ == 0)
			first = device;
	}
	if (others == 0)
		return 0;
	if (others > 1)
		snprintf(more, sizeof(more), " and %zu more", others - 1);
	return plan_refuse(&at, err,
			   "%s (%s %" PRId64 ":%" PRId64 ")%s: the host's devices cannot be given to a VM: ask for none; for a privileged "
			   "container, set privileged_without_host_devices = true for this runtime in containerd's configuration",
			   SHOW(slice_string(first.path)), SHOW(slice_string(first.type)), first.major, first.minor, more);
}

/* ── sysctls: those of a namespace that a pod has for itself (kubelet: pkg/kubelet/sysctl/namespaces.go) ── */

static bool is_namespaced(const char *key)
{
	static const char *const exact[] = { "kernel.sem", "kernel.shm_rmid_forced" };
	static const char *const starts[] = { "net.", "kernel.shm", "kernel.msg", "fs.mqueue." };

	for (size_t i = 0; i < ELEMENTS_OF(exact); i++) {
		if (strcmp(key, exact[i]) == 0)
			return true;
	}
	for (size_t i = 0; i < ELEMENTS_OF(starts); i++) {
		if (strncmp(key, starts[i], strlen(starts[i])) == 0)
			return true;
	}
	return false;
}

/* It becomes a path below /proc/sys: sysctl.d(5) lets '.' and '/' stand for each other. */
static bool is_sysctl(const char *key)
{
	bool separator = true;

	for (; *key; key++) {
		const bool now = *key == '.' || *key == '/';
		if ((separator && now) || (unsigned char)*key <= ' ' || (unsigned char)*key >= 0x7f)
			return false;
		separator = now;
	}
	return !separator;
}

int plan_check_sysctls(const Oci__Linux *linux_, struct error *err)
{
	if (linux_->n_sysctl > PLAN_SYSCTLS_MAX)
		return error_set(err, E2BIG, "linux.sysctl: %zu entries are above the limit of %d", linux_->n_sysctl, PLAN_SYSCTLS_MAX);
	for (size_t i = 0; i < linux_->n_sysctl; i++) {
		const char *key = linux_->sysctl[i]->key;
		if (!is_sysctl(key))
			return error_set(err, EINVAL, "linux.sysctl: \"%s\" is no name of a sysctl", SHOW(slice_string(key)));
		if (!is_namespaced(key))
			return error_set(err, EOPNOTSUPP,
					 "linux.sysctl: %s = \"%s\": only those of a pod's namespaces are set in a VM (net.*, kernel.shm*, "
					 "kernel.msg*, kernel.sem, fs.mqueue.*): leave it out",
					 SHOW(slice_string(key)), SHOW(slice_string(linux_->sysctl[i]->value)));
	}
	return 0;
}

/* ── seccomp ── */

#define NOTIFY "SCMP_ACT_NOTIFY"

static int refuse_notify(const char *where, struct error *err)
{
	return error_set(err, EOPNOTSUPP,
			 "linux.seccomp.%s: " NOTIFY ": who would be notified is on the host and sees nothing of the guest's system calls: "
			 "use a profile without it",
			 where);
}

int plan_check_seccomp(const struct json_view *linux_view, const Oci__LinuxSeccomp *seccomp, struct error *err)
{
	struct json_view at, code;
	int64_t value;

	if (!seccomp || !json_member(linux_view, "seccomp", &at))
		return 0;
	if (strcmp(seccomp->default_action, NOTIFY) == 0)
		return refuse_notify("defaultAction", err);
	for (size_t i = 0; i < seccomp->n_syscalls; i++) {
		if (strcmp(seccomp->syscalls[i]->action, NOTIFY) == 0)
			return refuse_notify("syscalls", err);
	}
	if (!json_member(&at, "defaultErrnoRet", &code))
		return 0;
	int r = json_expect_integer(&code, 0, UINT32_MAX, &value, err);
	if (r < 0 || value == EPERM)
		return r;
	return plan_refuse(&code, err, "%" PRId64 ": the guest's default is %d (EPERM) only: leave it out, or name the calls with errnoRet",
			   value, EPERM);
}

/* ── resources of cgroup v2 ── */

/*
 * kubelet sets memory.oom.group and memory.swap.max wherever the host has cgroup v2, and memory.min, .low and .high by its MemoryQoS: how
 * the node's memory is divided among its cgroups. The VM's is not the node's to divide, and has no swap.
 */
static int check_unified(const struct json_view *resources, struct error *err)
{
	static const char *const dropped[] = { "memory.oom.group", "memory.swap.max", "memory.min", "memory.low", "memory.high" };
	struct json_view at;

	if (!json_member(resources, "unified", &at))
		return 0;
	int r = json_expect_object(&at, err);
	if (r < 0)
		return r;
	JSON_FOR_EACH(item, &at) {
		bool known = false;
		for (size_t i = 0; i < ELEMENTS_OF(dropped); i++)
			known |= strcmp(item.key, dropped[i]) == 0;
		if (!known)
			return plan_refuse(&at, err,
					   "\"%s\": files of the host's cgroup cannot be written for a VM: take away what sets it",
					   SHOW(slice_string(item.key)));
	}
	return 0;
}

int plan_check_resources(const struct json_view *resources, const char **ret_cpus, struct error *err)
{
	struct json_view cpu, cpus;

	*ret_cpus = "";
	int r = check_unified(resources, err);
	if (r == 0 && json_member(resources, "cpu", &cpu) && json_member(&cpu, "cpus", &cpus))
		r = json_expect_string(&cpus, ret_cpus, err);
	return r;
}

/* The guest has none. 0 is what kubelet says of each size that the node has, to a pod that asks for no such pages. */
int plan_check_huge_pages(const Oci__LinuxResources *resources, struct error *err)
{
	for (size_t i = 0; resources && i < resources->n_hugepage_limits; i++) {
		const Oci__LinuxHugepageLimit *limit = resources->hugepage_limits[i];
		if (limit->limit > 0 && limit->limit < UINT64_MAX)
			return error_set(err, EOPNOTSUPP,
					 "linux.resources.hugepageLimits: %" PRIu64 " bytes in pages of %s: huge pages of the host cannot be "
					 "given to a VM: leave out hugepages-… of its resources, or run the pod with another RuntimeClass",
					 limit->limit, SHOW(slice_string(limit->pagesize)));
	}
	return 0;
}
